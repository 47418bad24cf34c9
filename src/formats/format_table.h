#pragma once

// The formats that can be read: their names, how to recognise their files, and their readers. Only
// this table decides which format a file has; a new format needs one row here.
//
//   VP_ASSIGN_OR_RETURN(const ModelFormat* format, identify_format(bytes));
//   format->read({files, "model.pb", bytes}, options, diagnostics);

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "formats/model_files.h"
#include "formats/read_options.h"
#include "model/graph.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

struct ModelFormat {
  Format format = Format::CoreMl;
  const char* title = "";       ///< the name in tables and messages: "Core ML"
  std::string_view word = {};   ///< the name on the command line, before the colon of "coreml:fp16"
  const char* extension = "";   ///< of the format's files, with the dot
  bool has_signature = false;   ///< files carry a signature that no other file has
  bool takes_settings = false;  ///< its reader uses ReadOptions::settings
  /// Recognises a file by its first bytes and top-level fields; does not check the rest.
  bool (*looks_like)(Bytes file) = nullptr;
  /// The bytes that the file must have by the lengths in it, if they are more than it has.
  std::optional<std::uint64_t> (*needed_bytes)(Bytes file) = nullptr;
  /// errors: those of the format's reader.
  Result<std::unique_ptr<SourceModel>> (*read)(const ModelFiles& model, const ReadOptions& options,
                                               Diagnostics& diagnostics) = nullptr;
};

/// One row per format.
[[nodiscard]] std::span<const ModelFormat> all_formats();
[[nodiscard]] const ModelFormat& format_row(Format format);
[[nodiscard]] const char* name_of(Format format);
[[nodiscard]] const char* extension_of(Format format);

/// Identifies a file's format by its content, never by its name.
/// errors: Unsupported, naming the format, for a file of a known format that is not read; Malformed
/// for an empty file and for one of no known format, with the kind of damage if it can be
/// recognised.
[[nodiscard]] Result<const ModelFormat*> identify_format(Bytes file);

/// The list of readable files for messages: "expected a Core ML .mlmodel, ...".
inline constexpr std::string_view kExpectedModel =
    "expected a Core ML .mlmodel, an ONNX .onnx, a TensorFlow Lite .tflite or a TensorFlow .pb "
    "file";

}  // namespace visionpress
