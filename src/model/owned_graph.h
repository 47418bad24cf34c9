#pragma once

// A graph that was changed after it was read, together with the bytes that no file holds.

#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "model/graph.h"

namespace visionpress {

/// The graph borrows from `payloads` and from the file that its source was read from. Moving it is
/// safe: moved buffers keep their bytes.
struct OwnedGraph {
  Graph graph = {};
  std::deque<ByteBuffer> payloads = {};

  /// Stores the bytes and returns a view of them.
  [[nodiscard]] Bytes keep(ByteBuffer bytes) { return payloads.emplace_back(std::move(bytes)); }

  /// Adds a float32 constant.
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
