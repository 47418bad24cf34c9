#include "transform/convertible.h"

#include <algorithm>

#include "base/error.h"

namespace visionpress {

Result<void> check_convertible(const Graph& graph) {
  std::string refused;
  for (const Node& node : graph.nodes) {
    const auto* unsupported = std::get_if<Unsupported>(&node.op);
    if (unsupported == nullptr) continue;
    refused += fmt::format("{}{:.200} \"{:.200}\" ({})", refused.empty() ? "" : ", ",
                           node.source_type, node.name, unsupported->why);
  }
  if (!refused.empty()) return fail(ErrorKind::Unsupported, "cannot be converted: {}", refused);
  return {};
}

Result<Shape> choose_input_shape(const Graph& graph, bool is_image_wanted) {
  const Tensor& input = graph.tensor(graph.inputs[0]);
  Shape shape = input.shape;
  if (!shape.empty() && shape[0] < 0) shape[0] = 1;
  if (is_image_wanted && shape.size() != 4) {
    return fail(ErrorKind::Usage, "the input \"{}\" has shape {}, it is no image", input.name,
                to_string(input.shape));
  }
  if (std::ranges::any_of(shape, [](std::int64_t size) { return size < 0; })) {
    return fail(ErrorKind::Usage, "the input \"{}\" has shape {}; --input-size WxH gives its size",
                input.name, to_string(input.shape));
  }
  if (std::ranges::find(shape, 0) != shape.end()) {
    return fail(ErrorKind::Unsupported, "the input \"{}\" has shape {}, which holds nothing",
                input.name, to_string(input.shape));
  }
  return shape;
}

}  // namespace visionpress
