#include "visionpress/runtimes.h"

#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "formats/format_table.h"
#include "formats/tflite/tflite_builder.h"
#include "infer/open_input.h"
#include "transform/convertible.h"
#include "transform/prepare_tflite.h"

namespace visionpress {
namespace {

/// What `convert` would answer, up to the file that it would write.
Result<void> try_conversion(const Graph& graph, bool has_input_size) {
  if (graph.inputs.size() != 1) {
    return fail(ErrorKind::Unsupported, "it has {} inputs, models of one are converted",
                graph.inputs.size());
  }
  PrepareOptions prepare;
  VP_ASSIGN_OR_RETURN(prepare.input_shape, choose_input_shape(graph, has_input_size));
  VP_RETURN_IF_ERROR(check_convertible(graph));
  prepare.threads = default_thread_count();
  VP_ASSIGN_OR_RETURN(const OwnedGraph prepared, prepare_for_tflite(graph, prepare));
  VP_ASSIGN_OR_RETURN(const FilePieces file, build_tflite(prepared.graph));
  return {};
}

/// TensorFlow runs its own files; other runtimes take what `convert` makes of them.
RuntimeReport judge_tensorflow(const Graph& graph, bool has_input_size) {
  RuntimeInfo tensorflow{
      .id = "tensorflow", .name = "TensorFlow", .basis = "its own format", .partitions = 1};
  RuntimeInfo converted{.id = "convert",
                        .name = "as a TFLite file, made by `visionpress convert`",
                        .basis = "converted in memory"};
  if (auto tried = try_conversion(graph, has_input_size); !tried) {
    converted.refused_because = tried.error().message;
  } else {
    converted.partitions = 1;
    converted.note = "inspect --runtimes of the new file says what takes it";
  }
  RuntimeReport report;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (is_inner_step(graph, i)) continue;
    const Node& node = graph.nodes[i];
    RuntimeAnswer answer;
    if (const auto* unsupported = std::get_if<Unsupported>(&node.op)) {
      answer = {.take = RuntimeTake::Refuses, .why = unsupported->why};
    } else {
      ++converted.taken;
    }
    ++tensorflow.taken;
    report.operators.push_back(
        {.name = node.name, .type = node.source_type, .answers = {RuntimeAnswer(), answer}});
  }
  report.runtimes = {std::move(tensorflow), std::move(converted)};
  return report;
}

}  // namespace

Result<RuntimeReport> inspect_runtimes(
    const std::string& file, const std::optional<std::array<std::int64_t, 2>>& input_size) {
  VP_ASSIGN_OR_RETURN(const OpenedModel model, open_input(file, read_options(input_size)));
  const Graph& graph = model.graph();
  RuntimeReport report = graph.format == Format::GraphDef
                             ? judge_tensorflow(graph, input_size.has_value())
                             : model.source->judge_runtimes();
  report.file = file;
  report.format = name_of(graph.format);
  report.format_version = graph.format_version;
  report.warnings = model.warnings;
  return report;
}

}  // namespace visionpress
