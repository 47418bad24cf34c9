#include "package/file_set.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// Lists level by level, so that files deep in one folder do not use up the limit before files at
/// the top of another.
std::vector<std::string> list_folder(const std::string& path) {
  std::vector<std::string> names;
  std::vector<std::string> level = {""};
  std::size_t folder_count = 1;
  for (bool is_top = true; !level.empty(); is_top = false) {
    std::vector<std::string> next;
    for (const std::string& prefix : level) {
      std::error_code error;
      for (fs::directory_iterator it(fs::path(path) / prefix, error), end;
           !error && it != end && names.size() < FileSet::kMostNames; it.increment(error)) {
        std::error_code ignored;
        const std::string name = prefix + it->path().filename().string();
        if (it->is_regular_file(ignored)) names.push_back(name);
        const bool is_followed = is_top || !it->is_symlink(ignored);
        if (it->is_directory(ignored) && is_followed && folder_count < FileSet::kMostNames) {
          next.push_back(name + "/");
          ++folder_count;
        }
      }
    }
    level = std::move(next);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

FileContent::FileContent(MappedFile file) {
  auto owner = std::make_shared<const MappedFile>(std::move(file));
  bytes_ = owner->bytes();
  mapping_ = owner.get();
  owner_ = std::move(owner);
}

FileContent::FileContent(ByteBuffer unpacked) {
  auto owner = std::make_shared<const ByteBuffer>(std::move(unpacked));
  bytes_ = *owner;
  owner_ = std::move(owner);
}

void FileContent::drop_pages() const {
  if (mapping_ != nullptr) mapping_->drop_pages();
}

Result<FileSet> FileSet::open(const std::string& path) {
  FileSet files;
  files.path_ = path;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    files.kind_ = Kind::Folder;
    files.names_ = list_folder(path);
    return files;
  }
  VP_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  files.whole_ = FileContent(std::move(file));
  if (!is_zip(files.whole_bytes())) {
    files.names_ = {fs::path(path).filename().string()};
    return files;
  }
  files.kind_ = Kind::Archive;
  auto archive = ZipArchive::open(files.whole_bytes());
  if (!archive) return in_file(archive.error(), path);
  for (const ZipEntry& entry : archive->entries()) files.names_.push_back(entry.name);
  files.archive_ = std::make_shared<const ZipArchive>(std::move(*archive));
  return files;
}

bool FileSet::has(std::string_view name) const {
  return std::ranges::find(names_, name) != names_.end();
}

Result<FileContent> FileSet::read(std::string_view name) const {
  if (archive_ != nullptr) {
    const ZipEntry* entry = archive_->find(name);
    if (entry == nullptr) {
      return in_file(
          fail(ErrorKind::Malformed, "the ZIP archive has no entry \"{}\"", name).value(), path_);
    }
    auto unpacked = archive_->read(*entry);
    if (!unpacked) return in_file(unpacked.error(), path_);
    return FileContent(std::move(*unpacked));
  }
  const bool is_listed = has(name);
  if (kind_ == Kind::File && is_listed) return whole_;
  // A name that the folder itself listed is inside it, whatever the name looks like.
  if (!is_listed && !stays_inside(name)) {
    return in_file(fail(ErrorKind::Malformed,
                        "the file \"{}\" that it names would lie outside its folder", name)
                       .value(),
                   path_);
  }
  VP_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path_of(name)));
  return FileContent(std::move(file));
}

std::uint64_t FileSet::size_of(std::string_view name) const {
  if (archive_ != nullptr) {
    const ZipEntry* entry = archive_->find(name);
    return entry == nullptr ? 0 : entry->bytes;
  }
  if (kind_ == Kind::File && has(name)) return whole_bytes().size();
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path_of(name), error);
  return error ? 0 : size;
}

std::string FileSet::path_of(std::string_view name) const {
  switch (kind_) {
    case Kind::Archive:
      return path_;
    case Kind::Folder:
      return path_ + (path_.ends_with('/') ? "" : "/") + std::string(name);
    case Kind::File:
      break;
  }
  return has(name) ? path_ : (fs::path(path_).parent_path() / name).string();
}

std::string_view folder_of(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(0, slash + 1);
}

std::string_view base_name_of(std::string_view name) { return name.substr(folder_of(name).size()); }

}  // namespace visionpress
