#include "package/hash_path.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "package/sha1.h"

namespace visionpress {

Result<std::string> hash_path(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
    return hash_sha1(file.bytes());
  }
  std::vector<std::string> files;
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) files.push_back(it->path().string());
  }
  if (error) {
    return fail_in(path, ErrorKind::Io, "cannot list: {}", error.message());
  }
  std::ranges::sort(files);
  std::string sums;
  for (const std::string& name : files) {
    VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(name));
    sums += fmt::format("{} {}\n", fs::path(name).lexically_relative(path).string(),
                        hash_sha1(file.bytes()));
  }
  return hash_sha1(std::as_bytes(std::span(sums)));
}

}  // namespace visionpress
