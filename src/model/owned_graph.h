#pragma once

// A graph that was changed after it was read, with what no file holds for it.

#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "model/graph.h"

namespace visionpress {

/// The graph borrows from `payloads`, and from the file that its source was read from. Movable:
/// buffers keep their bytes.
struct OwnedGraph {
  Graph graph = {};
  std::deque<ByteBuffer> payloads = {};

  /// Keeps the bytes and lends them out.
  [[nodiscard]] Bytes keep(ByteBuffer bytes) { return payloads.emplace_back(std::move(bytes)); }

  /// A new float32 constant.
  [[nodiscard]] TensorId add_floats(const std::string& name, Shape shape,
                                    std::span<const float> values, WeightRole role) {
    const Bytes bytes = std::as_bytes(values);
    Weight weight;
    weight.name = name;
    weight.layer = name;
    weight.path = name;
    weight.role = role;
    weight.stored.shape = shape;
    weight.stored.payload = keep(ByteBuffer(bytes.begin(), bytes.end()));
    Tensor tensor;
    tensor.name = name;
    tensor.shape = std::move(shape);
    tensor.weight = graph.weights.size();
    graph.weights.push_back(std::move(weight));
    return graph.add_tensor(std::move(tensor));
  }
};

}  // namespace visionpress
