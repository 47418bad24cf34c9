#pragma once

// Small graphs made by hand, for the tests of the executor.

#include <cmath>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "run/executor.h"
#include "run/operator.h"

namespace visionpress {

/// A graph and the bytes its weights borrow. Not movable: the graph points into it.
struct TestGraph {
  Graph graph = {};
  std::deque<std::vector<std::byte>> payloads = {};

  explicit TestGraph(Layout layout) { graph.layout = layout; }
  TestGraph(const TestGraph&) = delete;
  TestGraph& operator=(const TestGraph&) = delete;

  TensorId add_input(Shape shape) {
    const TensorId id = add_value("input");
    graph.tensors.back().shape = std::move(shape);
    graph.inputs = {id};
    return id;
  }

  TensorId add_value(std::string name) {
    Tensor tensor;
    tensor.name = std::move(name);
    return graph.add_tensor(std::move(tensor));
  }

  TensorId add_literal(Shape shape, std::vector<float> values) {
    Tensor tensor;
    tensor.name = "literal";
    tensor.shape = std::move(shape);
    tensor.literal = std::move(values);
    return graph.add_tensor(std::move(tensor));
  }

  TensorId add_weight(Shape shape, const std::vector<float>& values) {
    const Bytes bytes = std::as_bytes(std::span(values));
    return add_stored({std::move(shape), {}, Packing::Whole, keep(bytes)});
  }

  TensorId add_int8_weight(Shape shape, const std::vector<std::int8_t>& codes,
                           std::vector<float> scales) {
    WeightCode code;
    code.encoding = Encoding::Linear;
    code.bits = 8;
    code.is_signed = true;
    code.scales = std::move(scales);
    return add_stored(
        {std::move(shape), code, Packing::Whole, keep(std::as_bytes(std::span(codes)))});
  }

  /// Appends a node with one new output, which becomes the graph's only output.
  TensorId add_node(Op op, std::vector<TensorId> inputs) {
    const TensorId result = add_value("value" + std::to_string(graph.nodes.size()));
    Node node;
    node.name = "node" + std::to_string(graph.nodes.size());
    node.path = "nodes[" + std::to_string(graph.nodes.size()) + "]";
    node.source_type = "TEST";
    node.op = std::move(op);
    node.inputs = std::move(inputs);
    node.outputs = {result};
    graph.nodes.push_back(std::move(node));
    graph.outputs = {result};
    return result;
  }

  /// A copy that lives as long as the graph.
  Bytes keep(Bytes bytes) { return payloads.emplace_back(bytes.begin(), bytes.end()); }

 private:
  TensorId add_stored(WeightRef stored) {
    Weight weight;
    weight.name = "weight" + std::to_string(graph.weights.size());
    weight.path = weight.name;
    weight.stored = std::move(stored);
    Tensor tensor;
    tensor.name = weight.name;
    tensor.shape = weight.stored.shape;
    tensor.weight = graph.weights.size();
    graph.weights.push_back(std::move(weight));
    return graph.add_tensor(std::move(tensor));
  }
};

struct RunResult {
  Shape shape = {};
  std::vector<float> values = {};
};

/// Runs the graph once and copies output 0. Fails the test on an error.
inline RunResult run_graph(const TestGraph& test, const std::vector<float>& input,
                           Arithmetic arithmetic = Arithmetic::Runtime, int threads = 2) {
  ExecutorOptions options;
  options.arithmetic = arithmetic;
  options.threads = threads;
  const auto executor = Executor::create(test.graph, options);
  if (!executor) {
    ADD_FAILURE() << executor.error().to_string();
    return {};
  }
  auto session = executor->make_session();
  if (!session) {
    ADD_FAILURE() << session.error().to_string();
    return {};
  }
  const auto ran = session->run(input);
  EXPECT_TRUE(ran);
  const OutputView& view = session->outputs()[0];
  return {view.shape, {view.values.begin(), view.values.end()}};
}

/// Values in [-1, 1), the same for the same seed.
inline std::vector<float> random_values(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(generator() % 20001) / 10000.0F - 1.0F;
  return values;
}

/// Runs a graph of one node on one input. vectors: its further inputs, as weights of one axis.
inline RunResult run_one(Op op, Layout layout, Shape shape, const std::vector<float>& x,
                         const std::vector<std::vector<float>>& vectors = {}) {
  TestGraph test(layout);
  std::vector<TensorId> inputs = {test.add_input(std::move(shape))};
  for (const auto& values : vectors) {
    inputs.push_back(test.add_weight({static_cast<std::int64_t>(values.size())}, values));
  }
  test.add_node(std::move(op), inputs);
  return run_graph(test, x);
}

}  // namespace visionpress
