#pragma once

// Reads and runs an ONNX file that a test has built.

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "formats/onnx/onnx_build_testonly.h"
#include "formats/onnx/onnx_reader.h"
#include "run/executor.h"

namespace visionpress {

inline Result<std::unique_ptr<SourceModel>> try_read_onnx(Bytes file,
                                                          const ReadOptions& options = {}) {
  Diagnostics diagnostics;
  return read_onnx(file, options, diagnostics);
}

/// The message of a file that must not be readable, or must not be runnable.
inline std::string onnx_refusal(const ByteBuffer& file) {
  const auto model = try_read_onnx(file);
  if (!model) return model.error().message;
  ExecutorOptions options;
  options.threads = 1;
  const auto executor = Executor::create((*model)->graph(), options);
  return executor ? "it runs" : executor.error().message;
}

struct OnnxResult {
  Shape shape = {};
  std::vector<float> values = {};
};

/// The outputs for these values of the one input.
inline std::vector<OnnxResult> run_onnx(Bytes file, const std::vector<float>& input) {
  std::vector<OnnxResult> results;
  const auto model = try_read_onnx(file);
  EXPECT_TRUE(model) << (model ? "" : model.error().to_string());
  if (!model) return results;
  ExecutorOptions options;
  options.threads = 1;
  const auto executor = Executor::create((*model)->graph(), options);
  EXPECT_TRUE(executor) << (executor ? "" : executor.error().to_string());
  if (!executor) return results;
  auto session = executor->make_session();
  EXPECT_TRUE(session);
  if (!session) return results;
  const auto ran = session->run(input);
  EXPECT_TRUE(ran) << (ran ? "" : ran.error().to_string());
  if (!ran) return results;
  for (const OutputView& view : session->outputs())
    results.push_back({view.shape, {view.values.begin(), view.values.end()}});
  return results;
}

/// A file of one node "y" with x of this shape, and these constants.
inline ByteBuffer one_node(const Message& node, std::vector<std::int64_t> x,
                           std::vector<Message> constants = {}, std::int64_t opset = 17) {
  OnnxParts parts;
  parts.nodes = {node};
  parts.initializers = std::move(constants);
  parts.inputs = {value_info("x", x)};
  return onnx_file(parts, opset);
}

inline std::vector<float> count_up(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

}  // namespace visionpress
