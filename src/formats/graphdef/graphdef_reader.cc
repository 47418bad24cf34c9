#include "formats/graphdef/graphdef_reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"
#include "formats/graphdef/graphdef_model.h"

namespace visionpress {
namespace graphdef {
namespace {

/// Whether the text begins like a GraphDef in text form (pbtxt).
bool is_text(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return false;
  text.remove_prefix(start);
  for (const std::string_view field : {"node", "versions", "library"}) {
    if (!text.starts_with(field)) continue;
    const std::size_t brace = text.find_first_not_of(" \t\r\n:", field.size());
    if (brace != std::string_view::npos && text[brace] == '{') return true;
  }
  return false;
}

/// Describes the damage that a copy in text mode did; empty if there is no sign of it. An intact
/// GraphDef has many line feeds without a carriage return, because a node's tag is that byte.
std::string describe_damage(Bytes file) {
  const std::string_view text = view_text(file);
  std::size_t pairs = 0;
  std::size_t alone = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\n') continue;
    (i > 0 && text[i - 1] == '\r' ? pairs : alone) += 1;
  }
  if (pairs >= 2 && alone == 0) {
    return "; every line feed has a carriage return before it: the file was copied as text, copy "
           "it as binary";
  }
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::size_t replaced = 0;
  for (std::size_t at = text.find(kReplacement); at != std::string_view::npos && replaced < 4;
       at = text.find(kReplacement, at + kReplacement.size())) {
    ++replaced;
  }
  if (replaced == 4) {
    return "; bytes were replaced by U+FFFD: the file was converted as text, copy it as binary";
  }
  return {};
}

Result<NodeList> read_file_nodes(Bytes file) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage graph, ProtobufMessage::read_file(file));
  return read_nodes(graph);
}

}  // namespace

}  // namespace graphdef

bool looks_like_graphdef(Bytes file) {
  const std::string_view text = view_text(file.first(std::min<std::size_t>(file.size(), 64)));
  return text.starts_with('\n') || text.starts_with("\r\n") || graphdef::is_text(text);
}

Result<std::unique_ptr<SourceModel>> read_graphdef(Bytes file, const ReadOptions& options,
                                                   Diagnostics& diagnostics) {
  if (graphdef::is_text(view_text(file.first(std::min<std::size_t>(file.size(), 64))))) {
    return fail(ErrorKind::Unsupported,
                "this is a TensorFlow graph as text; write it as binary (as_text=False)");
  }
  auto nodes = graphdef::read_file_nodes(file);
  if (!nodes) {
    Error error = std::move(nodes).error();
    error.message += graphdef::describe_damage(file);
    return tl::unexpected<Error>(std::move(error));
  }
  return read_graphdef_nodes(file, std::move(*nodes), options, diagnostics);
}

Result<std::unique_ptr<SourceModel>> read_graphdef_nodes(Bytes file, graphdef::NodeList nodes,
                                                         const ReadOptions& options,
                                                         Diagnostics& diagnostics) {
  graphdef::Lowering lowering(nodes);
  lowering.input_size = options.input_size;
  VP_RETURN_IF_ERROR(graphdef::set_inputs(options.settings, lowering));
  lowering.graph.format = Format::GraphDef;
  lowering.graph.layout = Layout::ChannelsLast;
  lowering.graph.format_version =
      nodes.producer == 0 ? "GraphDef" : fmt::format("GraphDef, producer {}", nodes.producer);
  VP_RETURN_IF_ERROR(graphdef::lower_graph(lowering));
  const std::vector<TensorId>& inputs = lowering.graph.inputs;
  const Shape input = inputs.empty() ? Shape() : lowering.graph.tensor(inputs[0]).shape;
  if (input.size() == 4 && (input[1] < 0 || input[2] < 0)) {
    diagnostics.warn(
        "the file leaves its input's size open: to run or convert it, --input-size WxH gives it");
  }
  Graph graph = std::move(lowering.graph);
  auto weight_nodes = std::move(lowering.weight_nodes);
  return std::unique_ptr<SourceModel>(std::make_unique<graphdef::GraphDefModel>(
      file, std::move(nodes), std::move(graph), std::move(weight_nodes)));
}

}  // namespace visionpress
