#pragma once

// From an open model to a smaller file of the same format: checks the target, plans, encodes,
// writes and verifies.
//
//   VP_ASSIGN_OR_RETURN(const OpenedModel model, open_model("model.tflite"));
//   VP_ASSIGN_OR_RETURN(PressedFile file, press_file(model, press, "small.tflite",
//                                                    Overwrite::Refuse));

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/output_file.h"
#include "formats/open_model.h"
#include "press/press.h"
#include "press/press_options.h"
#include "visionpress/result.h"

namespace visionpress {

struct PressedFile {
  std::uint64_t bytes = 0;  ///< of the model's file, unpacked
  /// Bytes after `gzip -9`, where PressOptions::count_download is set.
  std::optional<std::uint64_t> download_bytes = std::nullopt;
  std::vector<PressedWeight> weights = {};  ///< one entry per weight of the graph
  std::size_t small_already = 0;            ///< weights that were kept because they are small
  std::string lost_paths = {};              ///< describe_lost_paths of source and new file
  std::vector<std::string> notes = {};      ///< of the writer (FilePieces)
};

/// Whether an output's name asks for an archive with the new model in it.
[[nodiscard]] bool is_archive_name(const std::string& output);

/// What press_file checks before any work.
/// errors: Usage for an output that is an input or has another format's name; Output for one that
/// exists and may not be overwritten; of SourceModel::check_rewritable.
[[nodiscard]] Result<void> check_pressed_output(const OpenedModel& model, const std::string& output,
                                                Overwrite overwrite);

/// Writes the model in the planned form, alone, or for an archive's name with the other files of
/// its archive. errors: of check_pressed_output; Output;
/// those of make_plan and of the format, naming the input; Internal where reading back fails.
/// refine: changes the plan before anything is encoded; its errors end the work.
[[nodiscard]] Result<PressedFile> press_file(const OpenedModel& model, const PressOptions& press,
                                             const std::string& output, Overwrite overwrite,
                                             const std::function<Result<void>(Plan&)>& refine = {});

}  // namespace visionpress
