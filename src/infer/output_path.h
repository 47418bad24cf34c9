#pragma once

#include <span>
#include <string>
#include <vector>

#include "formats/open_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// The file to write: `wanted`, or `default_name` in it if it is an existing folder, as `cp` does.
/// errors: Output for a path that ends in '/' and is not a folder.
[[nodiscard]] Result<std::string> choose_output_path(const std::string& wanted,
                                                     const std::string& default_name);

/// Checks that a new model file replaces nothing that the model consists of: its files, and the
/// label file beside it. errors: Usage.
[[nodiscard]] Result<void> check_replaces_no_part(const std::string& output,
                                                  const OpenedModel& model,
                                                  const std::string& input);

/// Checks that a tensor's file is not an input and replaces nothing but another array: label files
/// found next to a model are inputs, too. errors: Usage.
[[nodiscard]] Result<void> check_array_output(const std::string& output,
                                              std::span<const std::string> inputs);

/// Warns of an output whose name has no extension, by which other tools know the format.
void warn_of_extension(const std::string& output, Format format,
                       std::vector<std::string>& warnings);

}  // namespace visionpress
