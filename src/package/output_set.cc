#include "package/output_set.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace visionpress {
namespace {

Result<void> check_names(const FileSet& source, std::span<const ReplacedFile> replaced) {
  for (const ReplacedFile& file : replaced) {
    if (source.has(file.name)) continue;
    return in_file(
        fail(ErrorKind::Malformed, "it has no file \"{}\" to replace", file.name).value(),
        source.path());
  }
  return {};
}

Result<void> copy_folder(const FileSet& source, std::span<const ReplacedFile> replaced,
                         OutputFolder& output) {
  for (const std::string& name : source.names()) {
    const auto found = std::ranges::find(replaced, name, &ReplacedFile::name);
    if (found != replaced.end()) {
      VP_RETURN_IF_ERROR(output.write(name, found->content.pieces));
      continue;
    }
    VP_ASSIGN_OR_RETURN(const FileContent content, source.read(name));
    const Bytes bytes = content.bytes();
    VP_RETURN_IF_ERROR(output.write(name, {&bytes, 1}));
  }
  return {};
}

}  // namespace

Result<ByteBuffer> repack(const FileSet& archive, std::span<const ReplacedFile> replaced) {
  VP_RETURN_IF_ERROR(check_names(archive, replaced));
  std::vector<ByteBuffer> contents;  // libzip needs each in one piece
  std::vector<ZipReplacement> replacements;
  for (const ReplacedFile& file : replaced) {
    ByteBuffer& content = contents.emplace_back();
    for (const Bytes piece : file.content.pieces) {
      content.insert(content.end(), piece.begin(), piece.end());
    }
    // A vector that grows moves its buffers, but their bytes stay where they are.
    replacements.push_back({archive.archive()->find(file.name)->index, content});
  }
  auto packed = replace_entries(archive.whole_bytes(), replacements);
  if (!packed) return in_file(packed.error(), archive.path());
  return packed;
}

Result<OutputSet> OutputSet::create(const std::string& path, FileSet::Kind kind,
                                    Overwrite overwrite) {
  if (kind == FileSet::Kind::Folder) {
    VP_ASSIGN_OR_RETURN(OutputFolder folder, OutputFolder::create(path, overwrite));
    return OutputSet(std::move(folder));
  }
  VP_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path, overwrite));
  return OutputSet(std::move(file));
}

Result<void> OutputSet::write_file(std::span<const Bytes> pieces) {
  return std::get<OutputFile>(output_).write(pieces);
}

Result<void> OutputSet::write_copy(const FileSet& source, std::span<const ReplacedFile> replaced) {
  VP_RETURN_IF_ERROR(check_names(source, replaced));
  if (auto* folder = std::get_if<OutputFolder>(&output_)) {
    return copy_folder(source, replaced, *folder);
  }
  Bytes bytes = source.whole_bytes();
  if (replaced.empty()) return write_file({&bytes, 1});
  if (source.kind() == FileSet::Kind::File) return write_file(replaced.front().content.pieces);
  VP_ASSIGN_OR_RETURN(const ByteBuffer packed, repack(source, replaced));
  bytes = packed;
  return write_file({&bytes, 1});
}

const std::string& OutputSet::temporary_path() const {
  return std::visit(
      [](const auto& output) -> const std::string& { return output.temporary_path(); }, output_);
}

Result<void> OutputSet::commit() {
  return std::visit([](auto& output) { return output.commit(); }, output_);
}

}  // namespace visionpress
