#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

enum class Overwrite { Refuse, Allow };

/// A file that gets its name from `commit`, once it is complete; without a commit nothing is left
/// behind. If the file system supports unnamed files, that holds even for a program that is killed;
/// elsewhere (and for an instant while a file is replaced) a killed program may leave a file named
/// .visionpress-XXXXXX, which the next program that writes into the folder removes.
/// A replaced file keeps its permissions; a new one gets those that the umask allows.
class OutputFile {
 public:
  /// errors: Output when the target exists and `overwrite` refuses, when it is a symbolic link or
  /// not a regular file, or when its folder cannot be written.
  [[nodiscard]] static Result<OutputFile> create(const std::string& path, Overwrite overwrite);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  /// Appends the pieces in order. errors: Output.
  [[nodiscard]] Result<void> write(std::span<const Bytes> pieces);
  /// The path of the bytes until `commit`, for reading them back. Everything written is visible
  /// there.
  [[nodiscard]] const std::string& temporary_path() const { return readable_; }
  /// Checks for late write errors, then gives the target its new bytes. errors: Output; the target
  /// is then unchanged.
  [[nodiscard]] Result<void> commit();

 private:
  OutputFile() = default;
  /// Names a file that was created without a name.
  [[nodiscard]] Result<void> give_name();

  int fd_ = -1;
  std::string path_ = {};
  std::string temporary_ = {};  ///< name to remove at the end; empty for a file without a name
  std::string readable_ = {};
  Overwrite overwrite_ = Overwrite::Refuse;
};

/// errors: Usage for "-", which stands for stdout in other programs: no file or folder of that name
/// is meant.
[[nodiscard]] Result<void> check_not_stdout(const std::string& path);

/// Checks that `output` is not an input. errors: Usage when it is one of `inputs`, even under
/// another name; those of check_not_stdout.
[[nodiscard]] Result<void> check_not_read(const std::string& output,
                                          std::span<const std::string> inputs);

/// Writes a whole small file through OutputFile. errors: Output.
[[nodiscard]] Result<void> write_file(const std::string& path, Overwrite overwrite, Bytes bytes);

}  // namespace visionpress
