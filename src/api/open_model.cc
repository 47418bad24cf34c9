#include "api/open_model.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>

#include "api/file_kind.h"
#include "base/error.h"
#include "codecs/not_finite.h"
#include "formats/coreml/coreml_reader.h"
#include "formats/graphdef/graphdef_reader.h"
#include "formats/graphdef/saved_model.h"
#include "formats/tflite/tflite_reader.h"
#include "package/foreign_file.h"
#include "package/zip_archive.h"

namespace visionpress {
namespace {

constexpr std::string_view kExpected =
    "expected a Core ML .mlmodel, a TensorFlow Lite .tflite or a TensorFlow .pb file";

/// Field numbers of the top level of a protobuf message, in the file's order, until it stops making
/// sense.
std::vector<std::uint64_t> list_top_fields(Bytes bytes) {
  std::vector<std::uint64_t> fields;
  std::size_t at = 0;
  const auto read_varint = [&]() -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
      const auto byte = std::to_integer<std::uint64_t>(bytes[at++]);
      value |= (byte & 0x7fU) << static_cast<unsigned>(shift);
      if ((byte & 0x80U) == 0) return value;
    }
    return std::nullopt;
  };
  while (at < bytes.size() && fields.size() < 64) {
    const auto tag = read_varint();
    if (!tag || (*tag >> 3U) == 0) break;
    fields.push_back(*tag >> 3U);
    std::optional<std::uint64_t> skip;
    switch (*tag & 7U) {
      case 0:
        skip = read_varint() ? std::optional<std::uint64_t>(0) : std::nullopt;
        break;
      case 1:
        skip = 8;
        break;
      case 2:
        skip = read_varint();
        break;
      case 5:
        skip = 4;
        break;
      default:
        break;
    }
    if (!skip || *skip > bytes.size() - at) break;
    at += *skip;
  }
  return fields;
}

bool has(const std::vector<std::uint64_t>& fields, std::uint64_t field) {
  for (const std::uint64_t f : fields) {
    if (f == field) return true;
  }
  return false;
}

enum class Kind { CoreMl, TfLite, GraphDef };

Result<Kind> identify(Bytes bytes) {
  if (bytes.empty()) return fail(ErrorKind::Malformed, "the file is empty; {}", kExpected);
  const std::string_view text = view_text(bytes.first(std::min<std::size_t>(bytes.size(), 16)));
  if (text.size() >= 8 && text.substr(4, 4) == "TFL3") return Kind::TfLite;
  if (const auto other = find_foreign_file(bytes)) {
    return fail(ErrorKind::Unsupported, "this is {}; {}{}{}", other->name, other->advice,
                other->advice.empty() ? "" : "; ", kExpected);
  }
  const std::vector<std::uint64_t> fields = list_top_fields(bytes);
  const bool has_core_ml_type = std::any_of(fields.begin(), fields.end(),
                                            [](std::uint64_t f) { return f >= 200 && f < 4000; });
  if (!fields.empty() && fields.front() == 1 && text.front() == '\x08') {
    // ONNX starts with the same field; its graph (7) and operator sets (8) are no fields of Core
    // ML.
    if (!has_core_ml_type && (has(fields, 7) || has(fields, 8))) {
      return fail(ErrorKind::Unsupported, "this is an ONNX model, which is not read yet; {}",
                  kExpected);
    }
    if (!has_core_ml_type && is_saved_model_graph(bytes)) {
      return fail(ErrorKind::Unsupported,
                  "this is the saved_model.pb of a TensorFlow SavedModel, whose weights lie in the "
                  "folder variables beside it; name the folder that holds both");
    }
    return Kind::CoreMl;
  }
  if (has_core_ml_type && fields.front() == 2) return Kind::CoreMl;  // version 0 is not written
  if (looks_like_graphdef(bytes)) return Kind::GraphDef;
  if (const std::string damage = describe_damage(bytes); !damage.empty()) {
    return fail(ErrorKind::Malformed, "no model: {}; {}", damage, kExpected);
  }
  std::string head;
  for (const char c : text.substr(0, 8)) {
    head += fmt::format("{}{:02x}", head.empty() ? "" : " ", static_cast<unsigned char>(c));
  }
  return fail(ErrorKind::Malformed, "no model: it begins with {}; {}", head, kExpected);
}

Result<void> check_no_folder(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(path, error)) return {};
  if (fs::exists(path + "/Manifest.json", error)) {
    return fail(ErrorKind::Unsupported,
                "this is a Core ML package (.mlpackage), which is not read yet; {}", kExpected);
  }
  const std::vector<std::string> models = list_model_files(path);
  if (models.size() > 1) {
    constexpr std::size_t kShown = 10;
    const auto shown =
        models.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, models.size()));
    return fail(ErrorKind::Io, "this folder holds {} models, name one of them: {}{}", models.size(),
                fmt::join(models.begin(), shown, ", "), models.size() > kShown ? ", ..." : "");
  }
  return fail(ErrorKind::Io, "this is a folder without a model; {}, or an export package",
              kExpected);
}

/// A folder that TensorFlow saved a model into.
bool is_saved_model(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path + "/saved_model.pb", error);
}

/// Of all files in it and its folders; what cannot be looked at counts nothing.
std::uint64_t count_bytes(const std::string& folder) {
  namespace fs = std::filesystem;
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code unread;
    const std::uint64_t size = at->is_regular_file(unread) ? at->file_size(unread) : 0;
    if (!unread) bytes += size;
  }
  return bytes;
}

Result<std::unique_ptr<SourceModel>> read_as(Kind kind, Bytes file, const OpenOptions& options,
                                             Diagnostics& diagnostics) {
  if (!options.settings.empty() && kind != Kind::GraphDef) {
    return fail(ErrorKind::Usage,
                "\"{}\" cannot be set: values are given to inputs of TensorFlow graphs alone",
                options.settings.front().name);
  }
  switch (kind) {
    case Kind::TfLite:
      return read_tflite(file, {options.input_size}, diagnostics);
    case Kind::GraphDef:
      return read_graphdef(file, {options.input_size, options.settings}, diagnostics);
    case Kind::CoreMl:
      break;
  }
  return read_coreml(file, {options.input_size}, diagnostics);
}

/// The reader of bytes that are in their place.
Result<std::unique_ptr<SourceModel>> read_source(OpenedModel& model, const std::string& path,
                                                 const OpenOptions& options,
                                                 Diagnostics& diagnostics) {
  namespace fs = std::filesystem;
  // The folder that holds a SavedModel: the one that was named, or a part of a package.
  const std::string folder =
      model.package ? fs::path(model.package->model_path).parent_path().string() : path;
  const bool named =
      !model.package || fs::path(model.package->model_path).filename() == "saved_model.pb";
  if (named && is_saved_model(folder)) {
    model.folder_bytes = count_bytes(folder);
    return read_saved_model(folder, {options.input_size, options.settings}, diagnostics);
  }
  VP_ASSIGN_OR_RETURN(const Kind kind, identify(model.bytes()));
  auto source = read_as(kind, model.bytes(), options, diagnostics);
  if (source || source.error().kind != ErrorKind::Malformed) return source;
  // What broke the file says more than where it broke.
  if (const std::string damage = describe_damage(model.bytes()); !damage.empty()) {
    source.error().message += "; " + damage;
  }
  return source;
}

/// An archive that is no export is named for what it is.
Result<OpenedPackage> open_archive(MappedFile file, Diagnostics& diagnostics) {
  const std::string path = file.path();
  auto package = open_package(std::move(file), diagnostics);
  // What a Core ML package holds looks like a model file and is one of its parts.
  const bool is_whole =
      package && package->package.model_entry.find(".mlpackage/") == std::string::npos;
  if (is_whole) return package;
  VP_ASSIGN_OR_RETURN(const MappedFile again, MappedFile::open(path));
  if (const std::string what = name_archive(again.bytes()); !what.empty()) {
    return fail(ErrorKind::Unsupported, "this is {}; {}", what, kExpected);
  }
  return package;
}

/// A size that was asked for is the file's own where the file has one.
Result<void> check_input_size(const Graph& graph, const OpenOptions& options) {
  const InputInfo& input = graph.input_info;
  if (!options.input_size || input.width <= 0 || input.height <= 0) return {};
  const auto [height, width] = *options.input_size;
  if (height == input.height && width == input.width) return {};
  return fail(ErrorKind::InvalidArgument,
              "the file fixes its input to {}x{}, an input size of {}x{} was asked for",
              input.width, input.height, width, height);
}

}  // namespace

Result<OpenedModel> open_model(const std::string& path) { return open_model(path, OpenOptions()); }

Result<OpenedModel> open_model(const std::string& path, const OpenOptions& options) {
  OpenedModel model;
  Diagnostics diagnostics;
  if (is_package_folder(path)) {
    VP_ASSIGN_OR_RETURN(model.package, open_package(path, diagnostics));
  } else if (!is_saved_model(path)) {
    if (auto checked = check_no_folder(path); !checked) return in_file(checked.error(), path);
    VP_ASSIGN_OR_RETURN(model.file, MappedFile::open(path));
    if (is_zip(model.file.bytes())) {
      auto package = open_archive(std::move(model.file), diagnostics);
      if (!package) return in_file(package.error(), path);
      model.package = std::move(*package);
    }
  }
  auto source = read_source(model, path, options, diagnostics);
  if (!source) return in_file(source.error(), path);
  model.source = std::move(*source);
  if (auto fits = check_input_size(model.graph(), options); !fits)
    return in_file(fits.error(), path);
  if (options.check_values) {
    if (std::string odd = describe_not_finite(model.graph()); !odd.empty()) {
      diagnostics.warn(std::move(odd));
    }
  }
  model.warnings = diagnostics.warnings();
  return model;
}

OpenOptions open_options(const std::optional<std::array<std::int64_t, 2>>& input_size,
                         const std::vector<InputSetting>& settings) {
  OpenOptions options;
  options.settings = settings;
  if (input_size) options.input_size = {(*input_size)[1], (*input_size)[0]};
  return options;
}

void warn_of_package(const OpenedModel& model, std::vector<std::string>& warnings) {
  if (!model.package || model.package->package.labels.empty()) return;
  if (!model.graph().labels.empty()) return;
  const ExportPackage& package = model.package->package;
  // A folder's labels stay where they are, and the new file is written beside the folder.
  std::string advice = fmt::format("keep {} beside it", package.labels_entry);
  if (!model.package->is_archive && !package.labels_entry.empty()) {
    const std::string& path = model.package->model_path;
    const std::string root = path.substr(0, path.size() - package.model_entry.size());
    advice = fmt::format("give --labels {}{}", root, package.labels_entry);
  }
  warnings.push_back(fmt::format("the package's {} labels are not in the new file: {}",
                                 package.labels.size(), advice));
}

std::string describe(const WeightCode& code) {
  switch (code.encoding) {
    case Encoding::Float32:
      return "float32";
    case Encoding::Float16:
      return "float16";
    case Encoding::Linear:
      return fmt::format("linear-{}{}", code.bits, code.scales.size() == 1 ? "-tensor" : "");
    case Encoding::Table:
      return fmt::format("palette-{}", code.bits);
  }
  return "unknown";
}

std::uint64_t stored_bytes(const WeightRef& weight) {
  const WeightCode& code = weight.code;
  return weight.payload.size() + 4 * (code.scales.size() + code.offsets.size() +
                                      code.zero_points.size() + code.table.size());
}

}  // namespace visionpress
