#pragma once

// Options of the press, the same for every command.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "model/form.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

struct PressOptions {
  Form form = {};  ///< the wish; SourceModel::adapt turns it into the file's form
  /// Layers that stay as they are: names or globs (* and ?) of layers or weights. Each must match.
  std::vector<std::string> keep = {};
  bool keep_first_last = false;  ///< the first and the last layer with a kernel stay as they are
  /// Below 6 bits, the kernels that cost few bytes and matter most get 8 bits
  /// (sensitive_kernels.h).
  bool keep_sensitive = true;
  /// Smaller weights stay. Default: the larger of the family's minimum and the format's.
  std::optional<std::size_t> min_elements = std::nullopt;
  bool quantize_biases =
      false;  ///< integer forms: biases and vectors too, where the file takes them
  bool count_download = false;  ///< press_file: also counts the file's bytes after `gzip -9`
  RewriteOptions rewrite = {};
  int threads = 1;  ///< 1 or more. The result does not depend on it
};

/// The offered form of this name (codecs/family.h).
/// errors: Usage for any other name, listing all names and the nearest.
[[nodiscard]] Result<Form> choose_form(const std::string& name);

}  // namespace visionpress
