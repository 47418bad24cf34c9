#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

enum class Overwrite { Refuse, Allow };

/// A file that gets its name from `commit`, when it is whole; without a commit nothing is left.
/// Where the file system has files without a name, that holds even for a program that is killed;
/// elsewhere (and for an instant while a file is replaced) a killed program may leave a file named
/// .visionpress-XXXXXX, which the next program that writes into the folder removes.
/// A file that is replaced keeps its permissions; a new one gets what the umask says.
class OutputFile {
 public:
  /// errors: Output when the target exists and `overwrite` refuses, when it is a symbolic link or
  /// no regular file, or when its folder cannot be written.
  [[nodiscard]] static Result<OutputFile> create(const std::string& path, Overwrite overwrite);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  /// Appends the pieces in order. errors: Output.
  [[nodiscard]] Result<void> write(std::span<const Bytes> pieces);
  /// Where the bytes are until `commit`; for reading them back. Everything written is visible
  /// there.
  [[nodiscard]] const std::string& temporary_path() const { return readable_; }
  /// Checks and gives the target its new bytes. errors: Output; the target is then as it was.
  [[nodiscard]] Result<void> commit();

 private:
  OutputFile() = default;
  /// Of a file that has none yet.
  [[nodiscard]] Result<void> give_name();

  int fd_ = -1;
  std::string path_ = {};
  std::string temporary_ = {};  ///< a name to be removed again; empty for a file without a name
  std::string readable_ = {};
  Overwrite overwrite_ = Overwrite::Refuse;
};

/// errors: Usage when `output` is one of the files that are read, by whatever name.
[[nodiscard]] Result<void> check_not_read(const std::string& output,
                                          std::span<const std::string> inputs);

/// Writes a whole small file through OutputFile. errors: Output.
[[nodiscard]] Result<void> write_file(const std::string& path, Overwrite overwrite, Bytes bytes);

}  // namespace visionpress
