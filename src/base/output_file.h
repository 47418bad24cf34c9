#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

enum class Overwrite { Refuse, Allow };

/// A file written beside its target and renamed onto it by `commit`; without a commit nothing is left.
class OutputFile {
 public:
  /// errors: Output when the target exists and `overwrite` refuses, or its folder cannot be written.
  [[nodiscard]] static Result<OutputFile> create(const std::string& path, Overwrite overwrite);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  /// Appends the pieces in order. errors: Output.
  [[nodiscard]] Result<void> write(std::span<const Bytes> pieces);
  /// Where the bytes are until `commit`; for reading them back. Everything written is visible there.
  [[nodiscard]] const std::string& temporary_path() const { return temporary_; }
  /// Closes, checks and renames onto the target. errors: Output; the target is then as it was.
  [[nodiscard]] Result<void> commit();

 private:
  OutputFile() = default;
  int fd_ = -1;
  std::string path_ = {};
  std::string temporary_ = {};
  Overwrite overwrite_ = Overwrite::Refuse;
};

/// Writes a whole small file through OutputFile. errors: Output.
[[nodiscard]] Result<void> write_file(const std::string& path, Overwrite overwrite, Bytes bytes);

}  // namespace visionpress
