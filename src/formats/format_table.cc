#include "formats/format_table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "formats/coreml/coreml_reader.h"
#include "formats/graphdef/graphdef_reader.h"
#include "formats/graphdef/saved_model.h"
#include "formats/onnx/onnx_reader.h"
#include "formats/tflite/tflite_extent.h"
#include "formats/tflite/tflite_reader.h"
#include "package/file_damage.h"
#include "package/foreign_file.h"
#include "wire/protobuf_outline.h"

namespace visionpress {

namespace {

/// Whether one of the top-level fields holds the kind of a Core ML model.
/// source: apple/coremltools mlmodel/format/Model.proto, the oneof Type.
bool has_core_ml_kind(const std::vector<std::uint64_t>& fields) {
  return std::ranges::any_of(fields, [](std::uint64_t f) { return f >= 200 && f < 4000; });
}

/// A varint in field 1: the version of a Core ML, ONNX or SavedModel file.
bool begins_with_version(Bytes file, const std::vector<std::uint64_t>& fields) {
  return !fields.empty() && fields.front() == 1 && file.front() == std::byte{0x08};
}

bool looks_like_saved_model(Bytes file) {
  const std::vector<std::uint64_t> fields = list_top_fields(file);
  return begins_with_version(file, fields) && !has_core_ml_kind(fields) &&
         looks_like_saved_model_graph(file);
}

bool looks_like_core_ml(Bytes file) {
  const std::vector<std::uint64_t> fields = list_top_fields(file);
  if (begins_with_version(file, fields)) {
    return !looks_like_onnx(file) && !looks_like_saved_model(file);
  }
  // Protobuf does not write a version of 0.
  return has_core_ml_kind(fields) && fields.front() == 2;
}

Result<std::unique_ptr<SourceModel>> read_coreml_file(const ModelFiles& model,
                                                      const ReadOptions& options,
                                                      Diagnostics& diagnostics) {
  return read_coreml(model.bytes, options, diagnostics);
}

Result<std::unique_ptr<SourceModel>> read_graphdef_file(const ModelFiles& model,
                                                        const ReadOptions& options,
                                                        Diagnostics& diagnostics) {
  return read_graphdef(model.bytes, options, diagnostics);
}

Result<std::unique_ptr<SourceModel>> read_onnx_file(const ModelFiles& model,
                                                    const ReadOptions& options,
                                                    Diagnostics& diagnostics) {
  return read_onnx(model, options, diagnostics);
}

Result<std::unique_ptr<SourceModel>> read_tflite_file(const ModelFiles& model,
                                                      const ReadOptions& options,
                                                      Diagnostics& diagnostics) {
  return read_tflite(model.bytes, options, diagnostics);
}

constexpr auto kFormats = std::to_array<ModelFormat>({
    {.format = Format::CoreMl,
     .title = "Core ML",
     .word = "coreml",
     .extension = ".mlmodel",
     .has_signature = false,
     .takes_settings = false,
     .looks_like = looks_like_core_ml,
     .needed_bytes = find_needed_bytes,
     .read = read_coreml_file},
    {.format = Format::GraphDef,
     .title = "TensorFlow",
     .word = "tensorflow",
     .extension = ".pb",
     .has_signature = false,
     .takes_settings = true,
     .looks_like = looks_like_graphdef,
     .needed_bytes = find_needed_bytes,
     .read = read_graphdef_file},
    {.format = Format::Onnx,
     .title = "ONNX",
     .word = "onnx",
     .extension = ".onnx",
     .has_signature = false,
     .takes_settings = false,
     .looks_like = looks_like_onnx,
     .needed_bytes = find_needed_bytes,
     .read = read_onnx_file},
    {.format = Format::TfLite,
     .title = "TFLite",
     .word = "tflite",
     .extension = ".tflite",
     .has_signature = true,
     .takes_settings = true,
     .looks_like = looks_like_tflite,
     .needed_bytes = find_tflite_bytes,
     .read = read_tflite_file},
});

const ModelFormat* find_format(Bytes file, bool has_signature) {
  const auto found = std::ranges::find_if(kFormats, [&](const ModelFormat& row) {
    return row.has_signature == has_signature && row.looks_like(file);
  });
  return found == kFormats.end() ? nullptr : &*found;
}

tl::unexpected<Error> fail_unknown(Bytes file) {
  if (const std::string damage = describe_damage(file); !damage.empty()) {
    return fail(ErrorKind::Malformed, "no model: {}; {}", damage, kExpectedModel);
  }
  std::string head;
  for (const std::byte byte : file.first(std::min<std::size_t>(file.size(), 8))) {
    head += fmt::format("{}{:02x}", head.empty() ? "" : " ", std::to_integer<unsigned>(byte));
  }
  return fail(ErrorKind::Malformed, "no model: it begins with {}; {}", head, kExpectedModel);
}

}  // namespace

std::span<const ModelFormat> all_formats() { return kFormats; }

const ModelFormat& format_row(Format format) {
  return *std::ranges::find(
      kFormats, format, &ModelFormat::format);  // every format has a row, so the search cannot fail
}

const char* name_of(Format format) { return format_row(format).title; }

const char* extension_of(Format format) { return format_row(format).extension; }

Result<const ModelFormat*> identify_format(Bytes file) {
  if (file.empty()) {
    return fail(ErrorKind::Malformed, "the file is empty; {}", kExpectedModel);
  }
  if (const ModelFormat* format = find_format(file, true)) return format;
  if (const auto other = find_foreign_file(file)) {
    return fail(ErrorKind::Unsupported, "this is {}; {}{}{}", other->name, other->advice,
                other->advice.empty() ? "" : "; ", kExpectedModel);
  }
  if (looks_like_saved_model(file)) {
    return fail(ErrorKind::Unsupported,
                "this is the saved_model.pb of a TensorFlow SavedModel, whose weights lie in the "
                "folder variables beside it; name the folder that holds both");
  }
  if (const ModelFormat* format = find_format(file, false)) return format;
  return fail_unknown(file);
}

}  // namespace visionpress
