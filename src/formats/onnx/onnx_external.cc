#include "formats/onnx/onnx_external.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/error.h"
#include "formats/onnx/onnx_schema.h"
#include "package/zip_archive.h"

namespace visionpress::onnx {
namespace {

namespace fs = std::filesystem;

/// The entries of external_data that are read.
struct Place {
  std::string location = {};
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length = std::nullopt;
};

Result<std::uint64_t> parse_number(const std::string& text, const char* key,
                                   const std::string& path) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return fail(ErrorKind::Malformed, "{}: external_data has the {} \"{}\", expected a number", path,
              key, text);
}

Result<Place> read_place(const ProtobufMessage& tensor, const std::string& path) {
  Place place;
  VP_ASSIGN_OR_RETURN(const auto entries, tensor.read_messages(tensor_field::kExternalData));
  for (const ProtobufMessage& entry : entries) {
    VP_ASSIGN_OR_RETURN(const std::string key, entry.read_text(entry_field::kKey));
    VP_ASSIGN_OR_RETURN(const std::string value, entry.read_text(entry_field::kValue));
    if (key == "location") place.location = value;
    if (key == "offset") {
      VP_ASSIGN_OR_RETURN(place.offset, parse_number(value, "offset", path));
    }
    if (key == "length") {
      VP_ASSIGN_OR_RETURN(place.length, parse_number(value, "length", path));
    }
  }
  if (place.location.empty()) {
    return fail_at(ErrorKind::Malformed, tensor.offset(), "{}: external_data names no location",
                   path);
  }
  return place;
}

/// Whether links lead from the folder to a file outside it.
bool links_outside(const std::string& folder, const std::string& file) {
  std::error_code error;
  const fs::path root = fs::canonical(folder.empty() ? "." : folder, error);
  if (error) return false;
  const fs::path target = fs::weakly_canonical(file, error);
  if (error) return false;
  const fs::path relative = target.lexically_relative(root);
  return relative.empty() || *relative.begin() == "..";
}

}  // namespace

ExternalFiles::ExternalFiles(const ModelFiles& model)
    : set_(model.files), folder_(folder_of(model.entry)) {}

std::vector<std::string> ExternalFiles::names() const {
  std::vector<std::string> names;
  for (const auto& [name, content] : files_) names.push_back(name);
  return names;
}

Result<const FileContent*> ExternalFiles::open(const std::string& location,
                                               const std::string& path) {
  const std::string name = folder_ + location;
  if (const auto found = files_.find(name); found != files_.end()) return &found->second;
  if (!set_) {
    return fail(ErrorKind::Io, "{}: its values are in the file \"{}\", which was not given", path,
                location);
  }
  const auto refuse = [&] {
    return fail(ErrorKind::Malformed,
                "{}: its values are in \"{}\", outside the model's folder; such files are not read",
                path, location);
  };
  if (!stays_inside(location)) return refuse();
  if (set_->kind() != FileSet::Kind::Archive) {
    const fs::path model = set_->kind() == FileSet::Kind::File
                               ? fs::path(set_->path()).parent_path()
                               : fs::path(set_->path_of(folder_));
    if (links_outside(model.string(), set_->path_of(name))) return refuse();
  }
  auto content = set_->read(name);
  if (!content) {
    Error error = std::move(content).error();
    error.message = fmt::format("{}: its values are in \"{}\": {}", path, location, error.message);
    error.file.clear();
    return tl::unexpected<Error>(std::move(error));
  }
  return &files_.emplace(name, std::move(*content)).first->second;
}

Result<Bytes> ExternalFiles::read(const ProtobufMessage& tensor, const std::string& path,
                                  std::uint64_t bytes) {
  VP_ASSIGN_OR_RETURN(const Place place, read_place(tensor, path));
  VP_ASSIGN_OR_RETURN(const FileContent* content, open(place.location, path));
  const std::uint64_t size = content->bytes().size();
  const std::uint64_t length = place.length.value_or(bytes);
  if (length != bytes) {
    return fail_at(ErrorKind::Malformed, tensor.offset(),
                   "{}: external_data is {} bytes, its shape needs {}", path, length, bytes);
  }
  if (place.offset > size || length > size - place.offset) {
    return fail_at(ErrorKind::Malformed, tensor.offset(),
                   "{}: its values are bytes {} to {} of \"{}\", which has {}", path, place.offset,
                   place.offset + length, place.location, size);
  }
  return content->bytes().subspan(static_cast<std::size_t>(place.offset),
                                  static_cast<std::size_t>(length));
}

}  // namespace visionpress::onnx
