#include "formats/open_model.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "formats/format_table.h"
#include "formats/graphdef/saved_model.h"
#include "formats/package_parts.h"
#include "package/file_damage.h"
#include "package/foreign_set.h"

namespace visionpress {
namespace {

/// The location of the model in a FileSet.
struct ModelPlace {
  std::string entry = {};
  bool is_folder = false;  ///< a SavedModel, which has all files of the entry's folder
  std::optional<ExportPackage> package = std::nullopt;
};

tl::unexpected<Error> fail_without_model(const FileSet& folder) {
  const std::vector<std::string> models = list_model_files(folder);
  if (models.size() <= 1) {
    return fail(ErrorKind::Io, "this is a folder without a model; {}, or an export package",
                kExpectedModel);
  }
  constexpr std::size_t kShown = 10;
  const auto shown = models.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, models.size()));
  return fail(ErrorKind::Io, "this folder holds {} models, name one of them: {}{}", models.size(),
              fmt::join(models.begin(), shown, ", "), models.size() > kShown ? ", ..." : "");
}

Result<ModelPlace> find_in_package(const FileSet& files, Diagnostics& diagnostics) {
  ModelPlace place;
  VP_ASSIGN_OR_RETURN(place.package, read_package(files, diagnostics));
  place.entry = place.package->model_entry;
  place.is_folder = base_name_of(place.entry) == kSavedModelFile;
  return place;
}

Result<ModelPlace> find_in_folder(const FileSet& files, Diagnostics& diagnostics) {
  if (looks_like_package(files)) return find_in_package(files, diagnostics);
  if (files.has(kSavedModelFile)) {
    return ModelPlace{.entry = std::string(kSavedModelFile), .is_folder = true};
  }
  if (const std::string_view what = name_foreign_set(files); !what.empty()) {
    return fail(ErrorKind::Unsupported, "this is {}; {}", what, kExpectedModel);
  }
  return fail_without_model(files);
}

/// Archives without a manifest may hold several models (MediaPipe's .task).
bool holds_several(const FileSet& files) {
  return !looks_like_package(files) && list_model_files(files).size() > 1;
}

/// The error for an archive that is not an export; names what the archive is.
Result<ModelPlace> find_in_archive(const FileSet& files, Diagnostics& diagnostics) {
  if (holds_several(files) && name_foreign_set(files).empty() &&
      std::ranges::find(files.names(), kSavedModelFile, base_name_of) == files.names().end()) {
    const std::vector<std::string> models = list_model_files(files);
    return fail(ErrorKind::Usage, "this archive holds {} models, name one of them: {}:{} ({})",
                models.size(), files.path(), base_name_of(models.front()), fmt::join(models, ", "));
  }
  auto place = find_in_package(files, diagnostics);
  // Check for a Core ML package first: it contains a file that looks like a model but is only a
  // part of one.
  const bool is_whole = place && place->entry.find(".mlpackage/") == std::string::npos;
  if (!is_whole) {
    if (const std::string_view what = name_foreign_set(files); !what.empty()) {
      return fail(ErrorKind::Unsupported, "this is {}; {}", what, kExpectedModel);
    }
  }
  if (place && place->is_folder) {
    return fail(ErrorKind::Unsupported,
                "{} is a TensorFlow SavedModel, a folder of files; unpack the archive and name the "
                "folder",
                place->entry);
  }
  return place;
}

/// The model that the user named in a package.
Result<ModelPlace> find_named(const FileSet& files, const std::string& part,
                              Diagnostics& diagnostics) {
  if (files.kind() == FileSet::Kind::File) {
    return fail(ErrorKind::Usage, "this is a single file and holds no \"{}\"", part);
  }
  ModelPlace place;
  VP_ASSIGN_OR_RETURN(place.entry, find_part(files, part));
  VP_ASSIGN_OR_RETURN(place.package, read_package_around(files, place.entry, diagnostics));
  return place;
}

/// part: of PACKAGE:NAME; empty: the package's one model.
Result<ModelPlace> find_model(const FileSet& files, const std::string& part,
                              Diagnostics& diagnostics) {
  if (!part.empty()) return find_named(files, part, diagnostics);
  switch (files.kind()) {
    case FileSet::Kind::Folder:
      return find_in_folder(files, diagnostics);
    case FileSet::Kind::Archive:
      return find_in_archive(files, diagnostics);
    case FileSet::Kind::File:
      break;
  }
  return ModelPlace{.entry = files.names().front()};
}

std::vector<std::string> list_parts(const FileSet& files, const ModelPlace& place) {
  if (!place.is_folder) return {place.entry};
  std::vector<std::string> parts = files.names();
  const std::string_view folder = folder_of(place.entry);
  std::erase_if(parts, [&](const std::string& name) { return !name.starts_with(folder); });
  return parts;
}

Result<std::unique_ptr<SourceModel>> read_one_file(const ModelFiles& model,
                                                   const ReadOptions& options,
                                                   Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(const ModelFormat* format, identify_format(model.bytes));
  if (!options.settings.empty() && !format->takes_settings) {
    return fail(ErrorKind::Usage,
                "\"{}\" cannot be set: values are given to inputs of TensorFlow graphs and TFLite "
                "files alone",
                options.settings.front().name);
  }
  auto source = format->read(model, options, diagnostics);
  if (source || source.error().kind != ErrorKind::Malformed) return source;
  // If the damage can be recognised, report its cause instead of the place where reading failed.
  if (const std::string damage = describe_damage(model.bytes); !damage.empty()) {
    source.error().message += "; " + damage;
    return source;
  }
  if (const auto needed = format->needed_bytes(model.bytes)) {
    return fail(ErrorKind::Malformed, "the file is cut short: {} bytes, expected at least {}",
                model.bytes.size(), *needed);
  }
  return source;
}

/// Checks that a requested input size is the file's own, if the file has one.
Result<void> check_input_size(const Graph& graph, const ReadOptions& options) {
  const InputInfo& input = graph.input_info;
  if (!options.input_size || input.width <= 0 || input.height <= 0) return {};
  const auto [height, width] = *options.input_size;
  if (height == input.height && width == input.width) return {};
  return fail(ErrorKind::InvalidArgument,
              "the file fixes its input to {}x{}, an input size of {}x{} was asked for",
              input.width, input.height, width, height);
}

Result<void> read_model(OpenedModel& model, const std::string& part, const ReadOptions& options,
                        Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(ModelPlace place, find_model(model.files, part, diagnostics));
  model.entry = place.entry;
  model.parts = list_parts(model.files, place);
  model.is_folder = place.is_folder;
  VP_ASSIGN_OR_RETURN(FileContent content, model.files.read(model.entry));
  if (place.package) compare_sha1(content.bytes(), *place.package, diagnostics);
  model.package = std::move(place.package);
  const ModelFiles files = {model.files, model.entry, content.bytes()};
  if (place.is_folder) {
    VP_ASSIGN_OR_RETURN(model.source, read_saved_model(files, options, diagnostics));
  } else {
    VP_ASSIGN_OR_RETURN(model.source, read_one_file(files, options, diagnostics));
    model.content = std::move(content);
  }
  return check_input_size(model.graph(), options);
}

}  // namespace

std::uint64_t OpenedModel::size_bytes() const {
  std::uint64_t bytes = 0;
  for (const std::string& part : parts) bytes += files.size_of(part);
  return bytes;
}

Result<OpenedModel> open_model(const std::string& path, const ReadOptions& options) {
  OpenedModel model;
  Diagnostics diagnostics;
  const PartPath named = split_part_path(path);
  VP_ASSIGN_OR_RETURN(model.files, FileSet::open(named.package));
  if (auto read = read_model(model, named.part, options, diagnostics); !read) {
    return in_file(read.error(), path);
  }
  model.warnings = diagnostics.warnings();
  return model;
}

std::vector<std::string> OpenedModel::list_read_paths() const {
  std::vector<std::string> paths = {files.path(), files.path_of(entry)};
  for (const std::string& part : parts) {
    if (!part.ends_with(extension_of(Format::TfLite))) paths.push_back(files.path_of(part));
  }
  if (package) {
    for (const std::string& name : {package->manifest_entry, package->labels_entry}) {
      if (!name.empty()) paths.push_back(files.path_of(name));
    }
    // The manifest names its metadata by a file next to it.
    if (const std::string& metadata = package->manifest.metadata_file; !metadata.empty()) {
      paths.push_back(
          files.path_of(std::string(folder_of(package->manifest_entry)).append(metadata)));
    }
  }
  return paths;
}

}  // namespace visionpress
