#pragma once

// Detection heads: which one a network ends in, and from its outputs to boxes in the picture. A
// head is one file here and one row in head_table.h.

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "eval/box_frame.h"
#include "eval/detection.h"
#include "eval/heads/network_outline.h"
#include "eval/preprocess.h"
#include "visionpress/result.h"

namespace visionpress {

/// All outputs of a run to boxes: top-left corner and size in shares of the network's input, any
/// order, overlapping ones included, each with a score above `probability`. An output of another
/// size than the head was recognised by gives none; no number in it makes a box infinite or NaN.
using DecodeOutputs =
    std::function<Detections(std::span<const OutputView> outputs, double probability)>;

/// What a head needs to decode, once it is recognised.
struct RecognisedHead {
  std::size_t class_count = 0;
  DecodeOutputs decode = {};
  bool drops_overlaps = false;  ///< the network has dropped overlapping boxes itself
};

/// A row of the table.
struct HeadKind {
  std::string_view name = {};  ///< what its outputs are: "a Custom Vision detector's grid of boxes"
  /// What networks with this head take, where neither the file nor a package says it.
  HeadPixels pixels = {};
  /// errors: why these outputs are not this head's; an empty message where they have nothing of it.
  /// A head answers from its labels or its layout alone: outputs that only may be its own are not.
  Result<RecognisedHead> (*recognise)(const NetworkOutline& network) = nullptr;
};

struct Head {
  const HeadKind* kind = nullptr;  ///< a row of the table
  RecognisedHead found = {};
};

/// The first head of the table that the network ends in.
/// errors: Unsupported: for each head its name, and why it is not this one.
[[nodiscard]] Result<Head> recognise_head(const NetworkOutline& network);

/// The boxes of one run: decoded, overlaps dropped, the best kept, strongest first; in pixels of
/// the frame, not cut to it.
/// placement: what apply_preprocess returned for this picture.
[[nodiscard]] Detections find_boxes(const Head& head, std::span<const OutputView> outputs,
                                    const Placement& placement, const BoxFrame& frame,
                                    const DetectOptions& options);

}  // namespace visionpress
