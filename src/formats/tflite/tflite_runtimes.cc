// A TFLite file before the runtimes that open it: LiteRT's XNNPACK delegate, its own kernels, and
// its GPU delegate. One file of rules per runtime: tflite_on_NAME.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "formats/tflite/tflite_model.h"
#include "formats/tflite/tflite_on_builtin.h"
#include "formats/tflite/tflite_on_gpu.h"
#include "formats/tflite/tflite_on_xnnpack.h"

namespace visionpress {
namespace {

using tflite::GraphFacts;

/// The answers of one runtime, by operator.
struct Column {
  RuntimeInfo info = {};
  std::vector<RuntimeAnswer> answers = {};
};

/// A delegate: what it does not take falls to LiteRT's own kernels.
Column make_delegate(const GraphFacts& graph, RuntimeInfo info, std::vector<std::string> refusals) {
  Column column{.info = std::move(info)};
  std::vector<bool> takes;
  for (std::string& why : refusals) {
    takes.push_back(why.empty());
    column.answers.push_back(
        {.take = why.empty() ? RuntimeTake::Takes : RuntimeTake::Falls, .why = std::move(why)});
  }
  column.info.taken = static_cast<std::size_t>(std::ranges::count(takes, true));
  column.info.partitions = tflite::count_partitions(graph, takes);
  return column;
}

/// xnnpack: operators that the default delegate runs, and that need no kernel of LiteRT then.
Column make_builtin(const GraphFacts& graph) {
  Column column{.info = {.id = "builtin",
                         .name = "LiteRT 2.3.0, its own kernels (without XNNPACK)",
                         .basis = "compared with LiteRT 2.3.0"}};
  for (const tflite::OperatorFacts& op : graph.operators) {
    std::string why = tflite::check_builtin_rule(graph, op);
    if (why.empty()) {
      ++column.info.taken;
    } else if (column.info.refused_because.empty()) {
      column.info.refused_because = fmt::format("{} \"{}\": {}", op.type, op.name, why);
    }
    column.answers.push_back(
        {.take = why.empty() ? RuntimeTake::Takes : RuntimeTake::Refuses, .why = std::move(why)});
  }
  column.info.partitions = column.info.refused_because.empty() && column.info.taken > 0 ? 1 : 0;
  return column;
}

/// Operators that XNNPACK takes and then cannot run: the file does not run with it.
void add_breaks(const GraphFacts& graph, Column& xnnpack) {
  for (std::size_t i = 0; i < xnnpack.answers.size(); ++i) {
    RuntimeAnswer& answer = xnnpack.answers[i];
    if (answer.take != RuntimeTake::Takes) continue;
    std::string why = tflite::check_xnnpack_breaks(graph, graph.operators[i]);
    if (why.empty()) continue;
    answer = {.take = RuntimeTake::Refuses, .why = "XNNPACK takes it and then fails: " + why};
    --xnnpack.info.taken;
    if (!xnnpack.info.refused_because.empty()) continue;
    const tflite::OperatorFacts& op = graph.operators[i];
    xnnpack.info.refused_because = fmt::format("{} \"{}\": {}", op.type, op.name, answer.why);
  }
}

/// A delegate needs LiteRT's own kernels for the operators that it leaves.
void add_missing_kernels(const GraphFacts& graph, const Column& builtin, Column& delegate) {
  for (std::size_t i = 0; i < delegate.answers.size(); ++i) {
    RuntimeAnswer& answer = delegate.answers[i];
    if (answer.take != RuntimeTake::Falls) continue;
    if (builtin.answers[i].take != RuntimeTake::Refuses) continue;
    answer.take = RuntimeTake::Refuses;
    answer.why += ", and " + builtin.answers[i].why;
    if (!delegate.info.refused_because.empty()) continue;
    const tflite::OperatorFacts& op = graph.operators[i];
    delegate.info.refused_because =
        fmt::format("{} \"{}\": {}", op.type, op.name, builtin.answers[i].why);
  }
}

}  // namespace

RuntimeReport TfliteModel::judge_runtimes() const {
  const GraphFacts graph = tflite::read_facts(*this);
  Column builtin = make_builtin(graph);
  Column xnnpack = make_delegate(graph,
                                 {.id = "xnnpack",
                                  .name = "LiteRT 2.3.0 on the CPU, XNNPACK (its default)",
                                  .basis = "compared with LiteRT 2.3.0"},
                                 tflite::list_xnnpack_refusals(graph));
  Column gpu = make_delegate(graph,
                             {.id = "gpu",
                              .name = "LiteRT 2.3.0, GPU delegate (OpenCL, OpenGL, Metal)",
                              .basis = "the documented rules; no GPU was asked"},
                             tflite::list_gpu_refusals(graph));
  const std::string closed = tflite::check_opens(*this, graph);
  RuntimeReport report;
  for (const tflite::OperatorFacts& op : graph.operators) {
    report.operators.push_back({.name = op.name, .type = op.type, .version = op.version});
  }
  add_breaks(graph, xnnpack);
  add_missing_kernels(graph, builtin, xnnpack);
  add_missing_kernels(graph, builtin, gpu);
  for (Column* column : {&xnnpack, &builtin, &gpu}) {
    if (!closed.empty()) column->info.refused_because = closed;
    for (std::size_t i = 0; i < column->answers.size(); ++i) {
      report.operators[i].answers.push_back(std::move(column->answers[i]));
    }
    report.runtimes.push_back(std::move(column->info));
  }
  return report;
}

}  // namespace visionpress
