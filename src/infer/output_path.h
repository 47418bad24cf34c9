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

/// The file that a smaller copy of a model goes to: `wanted`, inside `wanted` if it is a folder,
/// or, without one, NAME.WORD.EXT beside the input. A folder's NAME gets the EXT of its model; a
/// file whose EXT is that of another format gets the one of its own. errors: of choose_output_path.
[[nodiscard]] Result<std::string> choose_pressed_path(const OpenedModel& model,
                                                      const std::string& input,
                                                      const std::string& wanted,
                                                      const std::string& word);

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
