#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/output_file.h"
#include "visionpress/result.h"

namespace visionpress {

/// A folder of files that gets its name from `commit`, once all of them are complete; without a
/// commit nothing is left behind. A killed program may leave a folder named .visionpress-XXXXXX,
/// which the next program that writes next to it removes.
class OutputFolder {
 public:
  /// overwrite: Allow replaces a folder and everything in it, so the caller must check the folder
  /// first. errors: Output when the target exists and `overwrite` refuses, when it is a symbolic
  /// link or not a folder, or when nothing can be written next to it.
  [[nodiscard]] static Result<OutputFolder> create(const std::string& path, Overwrite overwrite);

  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&& other) noexcept;
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  ~OutputFolder();

  /// Writes one whole file, its pieces in order. name: a path inside the folder; its missing
  /// folders are created. errors: Output.
  [[nodiscard]] Result<void> write(const std::string& name, std::span<const Bytes> pieces);
  /// The path of the files until `commit`, for reading them back.
  [[nodiscard]] const std::string& temporary_path() const { return temporary_; }
  /// Gives the folder its name. errors: Output; the target is then unchanged.
  [[nodiscard]] Result<void> commit();

 private:
  OutputFolder() = default;
  [[nodiscard]] Result<void> replace_target();

  std::string path_ = {};
  std::string temporary_ = {};  ///< empty: there is nothing to remove
  Descriptor lock_ = Descriptor(-1);
  Overwrite overwrite_ = Overwrite::Refuse;
};

}  // namespace visionpress
