#include "formats/onnx/onnx_reader.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "formats/onnx/onnx_input_info.h"
#include "formats/onnx/onnx_lowering.h"
#include "formats/onnx/onnx_model.h"
#include "wire/protobuf_outline.h"

namespace visionpress {
namespace onnx {
namespace {

std::string describe_version(const ModelFile& model) {
  std::string text = fmt::format("IR version {}", model.ir_version);
  for (const auto& [domain, version] : model.opsets)
    text += fmt::format(", {}opset {}", domain.empty() ? "" : domain + " ", version);
  return text;
}

Result<std::unique_ptr<SourceModel>> read(Bytes file, std::unique_ptr<ExternalFiles> external,
                                          const ReadOptions& options, Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(ModelFile parsed, read_model_file(file, *external, diagnostics));
  auto model = std::make_unique<ModelFile>(std::move(parsed));
  Lowering lowering(*model, *external);
  lowering.input_size = options.input_size;
  Graph& graph = lowering.graph;
  graph.format = Format::Onnx;
  graph.layout = Layout::ChannelsFirst;
  graph.format_version = describe_version(*model);
  graph.producer = model->producer;
  graph.metadata = model->metadata;
  VP_RETURN_IF_ERROR(lower_graph(lowering));
  read_labels(graph);
  const Shape input = graph.inputs.empty() ? Shape() : graph.tensor(graph.inputs[0]).shape;
  if (input.size() == 4 && (input[2] < 0 || input[3] < 0)) {
    diagnostics.warn("the file leaves its input's size open: to run it, --input-size WxH gives it");
  }
  return std::unique_ptr<SourceModel>(std::make_unique<OnnxModel>(
      file, std::move(model), std::move(external), std::move(graph), std::move(lowering.slots)));
}

}  // namespace
}  // namespace onnx

bool looks_like_onnx(Bytes file) {
  // source: onnx/onnx onnx.proto, ModelProto: 1 ir_version ... 7 graph, 8 opset_import. Core ML's
  // kinds have field numbers from 200 on.
  const std::vector<std::uint64_t> fields = list_top_fields(file);
  const auto has = [&](std::uint64_t field) {
    return std::ranges::find(fields, field) != fields.end();
  };
  const bool begins_with_version =
      !fields.empty() && fields.front() == 1 && file.front() == std::byte{0x08};
  return begins_with_version && (has(7) || has(8)) &&
         std::ranges::none_of(fields, [](std::uint64_t f) { return f >= 200 && f < 4000; });
}

Result<std::unique_ptr<SourceModel>> read_onnx(const ModelFiles& model, const ReadOptions& options,
                                               Diagnostics& diagnostics) {
  return onnx::read(model.bytes, std::make_unique<onnx::ExternalFiles>(model), options,
                    diagnostics);
}

Result<std::unique_ptr<SourceModel>> read_onnx(Bytes file, const ReadOptions& options,
                                               Diagnostics& diagnostics) {
  return onnx::read(file, std::make_unique<onnx::ExternalFiles>(), options, diagnostics);
}

}  // namespace visionpress
