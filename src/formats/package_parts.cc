#include "formats/package_parts.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "formats/coreml/ml_program_outline.h"
#include "formats/format_table.h"
#include "package/export_package.h"
#include "package/foreign_file.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

std::string_view stem_of(std::string_view name) {
  const std::string_view base = base_name_of(name);
  return base.substr(0, base.rfind('.'));
}

/// Core ML's own names for the system releases. source: Model.proto, the enum of versions.
std::string name_release(std::uint64_t version) {
  constexpr std::uint64_t kFirst = 6;  // packages begin with it
  constexpr const char* kReleases[] = {"iOS 15, macOS 12", "iOS 16, macOS 13", "iOS 17, macOS 14",
                                       "iOS 18, macOS 15", "iOS 26, macOS 26"};
  std::string text = fmt::format("specification version {}", version);
  if (version < kFirst || version - kFirst >= std::size(kReleases)) return text;
  return fmt::format("{} (from {} on)", text, kReleases[version - kFirst]);
}

Result<void> outline_core_ml(const FileSet& files, const std::string& entry,
                             PackageListing& listing) {
  VP_ASSIGN_OR_RETURN(const FileContent content, files.read(entry));
  VP_ASSIGN_OR_RETURN(MlProgramOutline outline, outline_ml_program(content.bytes()));
  listing.kind = outline.kind == "mlProgram"
                     ? std::string("a Core ML package (.mlpackage) with an ML Program")
                     : fmt::format("a Core ML package (.mlpackage) with a {}", outline.kind);
  listing.advice = "such packages are not read yet";
  listing.version = name_release(outline.version);
  listing.functions = std::move(outline.functions);
  for (const PackagePart& part : listing.parts) {
    if (part.name.ends_with(".bin")) listing.weight_bytes += part.bytes;
  }
  return {};
}

ValueInfo describe_value(const Tensor& tensor) {
  return {tensor.name, tensor.shape, name_of(tensor.dtype), tensor.has_rank};
}

/// Fills in what a model is; a model that cannot be opened says why.
void describe_model(const FileSet& files, PackagePart& part) {
  const auto content = files.read(part.name);
  if (!content) {
    part.what = content.error().message;
    return;
  }
  const auto format = identify_format(content->bytes());
  if (!format) {
    part.what = format.error().message;
    return;
  }
  Diagnostics ignored;
  const auto model = (*format)->read({files, part.name, content->bytes()}, {}, ignored);
  if (!model) {
    part.what = model.error().message;
    return;
  }
  const Graph& graph = (*model)->graph();
  part.what = name_of(graph.format);
  part.layers = count_layers(graph);
  for (const TensorId id : graph.inputs) part.inputs.push_back(describe_value(graph.tensor(id)));
  for (const TensorId id : graph.outputs) part.outputs.push_back(describe_value(graph.tensor(id)));
}

/// Names a part that is not a model, by its content where the name says nothing.
void describe_other(const FileSet& files, PackagePart& part) {
  constexpr std::uint64_t kMostBytes = 1U << 26U;  // larger parts are not unpacked to be named
  if (part.bytes > kMostBytes) return;
  const auto content = files.read(part.name);
  if (!content) return;
  if (const auto known = find_foreign_file(content->bytes())) part.what = known->name;
}

PackageListing list_files(const FileSet& files) {
  PackageListing listing;
  listing.file = files.path();
  const std::vector<std::string> models = list_model_files(files);
  for (const std::string& name : files.names()) {
    PackagePart part{.name = name, .bytes = files.size_of(name)};
    part.is_model = std::ranges::find(models, name) != models.end();
    listing.bytes += part.bytes;
    listing.parts.push_back(std::move(part));
  }
  return listing;
}

}  // namespace

PartPath split_part_path(const std::string& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) return {path, {}};
  for (std::size_t colon = path.rfind(':'); colon != std::string::npos && colon > 0;
       colon = path.rfind(':', colon - 1)) {
    std::string package = path.substr(0, colon);
    if (fs::exists(package, ignored)) return {std::move(package), path.substr(colon + 1)};
  }
  return {path, {}};
}

Result<std::string> find_part(const FileSet& files, std::string_view part) {
  const std::vector<std::string> models = list_model_files(files);
  if (std::ranges::find(models, part) != models.end()) return std::string(part);
  std::vector<std::string> found;
  for (const std::string& name : models) {
    if (base_name_of(name) == part || stem_of(name) == part) found.push_back(name);
  }
  if (found.size() == 1) return found.front();
  if (models.empty()) return fail(ErrorKind::Usage, "there is no model in it");
  return fail(ErrorKind::Usage, "{} model \"{}\" in it: it holds {}",
              found.empty() ? "there is no" : "there is more than one", part,
              fmt::join(models, ", "));
}

std::string find_core_ml_package(const FileSet& files) {
  constexpr std::string_view kModel = "Data/com.apple.CoreML/model.mlmodel";
  for (const std::string& name : files.names()) {
    const bool is_whole = name == kModel || name.ends_with(".mlpackage/" + std::string(kModel));
    if (is_whole) return name;
  }
  return {};
}

Result<std::optional<PackageListing>> list_parts_of(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const FileSet files, FileSet::open(path));
  if (files.kind() == FileSet::Kind::File) return std::nullopt;
  if (const std::string entry = find_core_ml_package(files); !entry.empty()) {
    PackageListing listing = list_files(files);
    if (auto outlined = outline_core_ml(files, entry, listing); !outlined) {
      return in_file(outlined.error(), path);
    }
    return listing;
  }
  if (files.kind() != FileSet::Kind::Archive || looks_like_package(files)) return std::nullopt;
  const std::vector<std::string> models = list_model_files(files);
  if (models.size() < 2) return std::nullopt;
  PackageListing listing = list_files(files);
  listing.kind = fmt::format("an archive of {} models", models.size());
  listing.advice = fmt::format("name one of them: {}:{}", path, base_name_of(models.front()));
  for (PackagePart& part : listing.parts) {
    part.is_model ? describe_model(files, part) : describe_other(files, part);
  }
  return listing;
}

}  // namespace visionpress
