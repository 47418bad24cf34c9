#pragma once

// The formats that are read: what they are called, how their files look, who reads them. The one
// place that decides what a file is; a new format needs a row here.
//
//   VP_ASSIGN_OR_RETURN(const ModelFormat* format, identify_format(bytes));
//   format->read({files, "model.pb", bytes}, options, diagnostics);

#include <memory>
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
  const char* title = "";          ///< in tables and messages: "Core ML"
  std::string_view word = {};      ///< before the colon of "coreml:fp16"
  const char* extension = "";      ///< of its files, with the dot
  bool has_signature = false;      ///< no file of another program looks like one
  bool has_scalar_inputs = false;  ///< takes ReadOptions::settings
  /// Looks at the first bytes and at the fields of the top level; says nothing about the rest.
  bool (*looks_like)(Bytes file) = nullptr;
  /// errors: those of the format's reader.
  Result<std::unique_ptr<SourceModel>> (*read)(const ModelFiles& model, const ReadOptions& options,
                                               Diagnostics& diagnostics) = nullptr;
};

/// One row per format.
[[nodiscard]] std::span<const ModelFormat> all_formats();
[[nodiscard]] const ModelFormat& format_row(Format format);
[[nodiscard]] const char* name_of(Format format);
[[nodiscard]] const char* extension_of(Format format);

/// The format of a file by its content, never by its name.
/// errors: Unsupported naming what the file is instead; Malformed for an empty file and for one
/// that looks like nothing known, with what damaged it where that shows.
[[nodiscard]] Result<const ModelFormat*> identify_format(Bytes file);

/// The files that are read, for messages: "expected a Core ML .mlmodel, ...".
inline constexpr std::string_view kExpectedModel =
    "expected a Core ML .mlmodel, a TensorFlow Lite .tflite or a TensorFlow .pb file";

}  // namespace visionpress
