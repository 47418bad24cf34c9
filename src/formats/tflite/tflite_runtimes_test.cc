// Single rules; tests/makers/check_runtimes.py compares all of them with LiteRT.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "formats/tflite/tflite_build_testonly.h"
#include "formats/tflite/tflite_on_gpu.h"
#include "formats/tflite/tflite_on_xnnpack.h"
#include "formats/tflite/tflite_operators_testonly.h"
#include "formats/tflite/tflite_reader.h"
#include "visionpress/runtimes.h"

namespace visionpress {
namespace {

RuntimeReport judge(const std::vector<std::byte>& file) {
  Diagnostics ignored;
  const auto model = read_tflite(file, ignored);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? (*model)->judge_runtimes() : RuntimeReport();
}

/// "yes", or the reason.
std::string answer(const RuntimeReport& report, std::size_t op, const std::string& runtime) {
  for (std::size_t r = 0; r < report.runtimes.size(); ++r) {
    if (report.runtimes[r].id != runtime) continue;
    const RuntimeAnswer& found = report.operators.at(op).answers.at(r);
    return found.take == RuntimeTake::Takes ? "yes" : found.why;
  }
  return "no such runtime";
}

TEST(TfliteRuntimes, AFloatConvolutionIsTakenByAll) {
  const RuntimeReport report = judge(build_tiny_model());
  ASSERT_EQ(report.operators.size(), 2U);
  for (const char* runtime : {"xnnpack", "builtin", "gpu"}) {
    EXPECT_EQ(answer(report, 0, runtime), "yes") << runtime;
    EXPECT_EQ(answer(report, 1, runtime), "yes") << runtime;
  }
  for (const RuntimeInfo& runtime : report.runtimes) {
    EXPECT_EQ(runtime.taken, 2U) << runtime.id;
    EXPECT_EQ(runtime.partitions, 1U) << runtime.id;
    EXPECT_EQ(runtime.refused_because, "") << runtime.id;
  }
}

TEST(TfliteRuntimes, AFileWithoutZeroPointsIsNotOpened) {
  TinyModel tiny;
  tiny.kernel_type = tfl::TensorType::INT8;
  tiny.kernel_bytes = 4UL * 3 * 3 * 2;
  tiny.kernel_scales = {0.1F};
  const RuntimeReport report = judge(build_tiny_model(tiny));
  for (const RuntimeInfo& runtime : report.runtimes) {
    EXPECT_EQ(runtime.refused_because, "tensor 1 \"conv/w\" has 1 scales and 0 zero points");
  }
}

TEST(TfliteRuntimes, AnOperatorWithoutARuleFallsToTheOwnKernels) {
  OneOperator one;
  one.code = tfl::BuiltinOperator::SIGN;
  one.tensors = {{.shape = {1, 4}}, {.shape = {1, 4}}};
  one.inputs = {0};
  one.outputs = {1};
  const RuntimeReport report = judge(build_operator_file(one));
  EXPECT_EQ(answer(report, 0, "xnnpack"), "XNNPACK has no such operator here");
  EXPECT_EQ(answer(report, 0, "builtin"), "yes");
  EXPECT_EQ(answer(report, 0, "gpu"), "yes");
  EXPECT_EQ(report.runtimes[0].refused_because, "");
}

TEST(TfliteRuntimes, AnUnknownOperatorStopsTheFile) {
  OneOperator one;
  one.code = tfl::BuiltinOperator::CUSTOM;
  one.tensors = {{.shape = {1, 4}}, {.shape = {1, 4}}};
  one.inputs = {0};
  one.outputs = {1};
  const RuntimeReport report = judge(build_operator_file(one));
  EXPECT_NE(report.runtimes[0].refused_because, "");
  EXPECT_EQ(report.operators[0].answers[1].take, RuntimeTake::Refuses);
}

TEST(TfliteRuntimes, PiecesAreRunsOfTakenOperators) {
  tflite::GraphFacts graph;
  constexpr std::size_t kOperators = 5;
  graph.tensors.resize(kOperators + 1);
  graph.writers.resize(kOperators + 1);
  graph.readers.resize(kOperators + 1);
  for (std::size_t i = 0; i < kOperators; ++i) {
    tflite::OperatorFacts op;
    op.inputs = {static_cast<int>(i)};
    op.outputs = {static_cast<int>(i) + 1};
    graph.writers[i + 1] = {i};
    graph.readers[i] = {i};
    graph.operators.push_back(std::move(op));
  }
  EXPECT_EQ(tflite::count_partitions(graph, {true, true, true, true, true}), 1U);
  EXPECT_EQ(tflite::count_partitions(graph, {true, false, true, false, true}), 3U);
  EXPECT_EQ(tflite::count_partitions(graph, {false, false, false, false, false}), 0U);
}

}  // namespace
}  // namespace visionpress
