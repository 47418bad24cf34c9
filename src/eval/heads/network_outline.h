#pragma once

// What a detection head is recognised by.

#include <span>
#include <string>
#include <vector>

#include "model/graph.h"
#include "model/output_view.h"

namespace visionpress {

struct OutputOutline {
  std::string name = {};
  Shape shape = {};  ///< as a run gives it; sizes that only a run knows are -1 before one
  /// No activation follows its last convolution: what a head's raw numbers show, and feature maps
  /// do not.
  bool is_linear = false;
};

struct NetworkOutline {
  std::vector<OutputOutline> outputs = {};  ///< all, in the graph's order
  Layout layout = Layout::ChannelsFirst;
  int input_width = 0;  ///< pixels
  int input_height = 0;
  std::size_t label_count = 0;  ///< 0: nobody names labels
  /// Classes of a TFLite_Detection_PostProcess whose results are the outputs; 0: there is none.
  std::size_t postprocess_classes = 0;
};

/// shapes: of the graph's outputs, in its order: a file may leave them open, a run settles them.
[[nodiscard]] NetworkOutline outline_network(const Graph& graph, std::span<const Shape> shapes,
                                             std::size_t label_count);

}  // namespace visionpress
