#pragma once

// A model as a graph of references into its mapped file. Format-neutral; owns no payload.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/input_info.h"
#include "model/ops.h"
#include "model/tensor.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

enum class Format { CoreMl, TfLite, GraphDef, Onnx };

/// Where the channels lie in the image tensors of the graph.
enum class Layout { ChannelsFirst, ChannelsLast };

struct Node {
  std::string name = {};         ///< the layer's own name; in TFLite the name of its first output
  std::string source_type = {};  ///< the format's name for it: "convolution", "CONV_2D"
  std::string path = {};         ///< element path for messages
  Op op = Unsupported{};
  std::vector<TensorId> inputs = {};  ///< kNoTensor where an optional one is absent
  std::vector<TensorId> outputs = {};
};

struct Graph {
  Format format = Format::CoreMl;
  Layout layout = Layout::ChannelsFirst;
  std::string format_version = {};  ///< "specification version 3", "schema version 3"
  std::string producer = {};        ///< the tool that wrote the file, if the file says
  std::vector<Tensor> tensors = {};
  std::vector<Node> nodes = {};  ///< in an order in which they can run
  std::vector<Weight> weights = {};
  std::vector<TensorId> inputs = {};
  std::vector<TensorId> outputs = {};
  InputInfo input_info = {};
  std::vector<std::string> labels = {};  ///< class labels found in the file; index is the class
  std::string labels_source = {};        ///< "classifier labels", "appended archive: labels.txt"
  std::map<std::string, std::string> metadata = {};  ///< the file's own key/value texts

  TensorId add_tensor(Tensor tensor) {
    tensors.push_back(std::move(tensor));
    return static_cast<TensorId>(tensors.size() - 1);
  }
  [[nodiscard]] const Tensor& tensor(TensorId id) const {
    return tensors[static_cast<std::size_t>(id)];
  }
};

/// Whether the node and the next one come from the same layer of the file, so that this one is only
/// a step.
[[nodiscard]] bool is_inner_step(const Graph& graph, std::size_t node);
/// Number of layers in the file: nodes without inner steps.
[[nodiscard]] std::size_t count_layers(const Graph& graph);

/// Checks what every reader promises: ids are in range, and each tensor is written once and before
/// it is read. errors: Malformed, naming the node (a cycle is a read before a write).
[[nodiscard]] Result<void> check_graph(const Graph& graph);

}  // namespace visionpress
