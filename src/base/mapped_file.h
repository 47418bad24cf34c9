#pragma once

#include <string>

#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

/// A file mapped read-only for as long as this object lives. Move-only; views borrow from it.
class MappedFile {
 public:
  /// errors: Io when the file cannot be opened, is not a regular file, or cannot be mapped.
  [[nodiscard]] static Result<MappedFile> open(const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] Bytes bytes() const { return {data_, size_}; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Gives the pages back to the system; reading them again maps them again, from its cache. For
  /// a file that has been read through before something else needs the memory.
  void drop_pages() const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string path_ = {};
};

}  // namespace visionpress
