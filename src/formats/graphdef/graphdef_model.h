#pragma once

#include <utility>
#include <vector>

#include "formats/graphdef/graphdef_nodes.h"
#include "model/source_model.h"

namespace visionpress::graphdef {

/// An opened GraphDef: the graph, and the node that makes each of its weights.
class GraphDefModel : public SourceModel {
 public:
  /// weight_nodes: for each weight of `graph` the node whose output it is: a Const, or the last of
  /// the nodes that decode it.
  GraphDefModel(Bytes file, NodeList nodes, Graph graph, std::vector<std::size_t> weight_nodes)
      : file_(file),
        nodes_(std::move(nodes)),
        graph_(std::move(graph)),
        weight_nodes_(std::move(weight_nodes)) {}

  [[nodiscard]] const Graph& graph() const override { return graph_; }
  [[nodiscard]] Form adapt(std::size_t index, const Form& wish) const override;
  [[nodiscard]] std::string why_not(std::size_t index, const Form& form,
                                    const RewriteOptions& options) const override;
  [[nodiscard]] WeightCode stored_code(std::size_t index, const WeightCode& code,
                                       const RewriteOptions& options) const override;
  [[nodiscard]] std::uint64_t estimate_overhead(std::size_t weight_index, const WeightCode& code,
                                                const RewriteOptions& options) const override;
  [[nodiscard]] Result<FilePieces> rewrite(std::span<const WeightEdit> edits,
                                           const RewriteOptions& options) const override;

 private:
  Bytes file_;
  NodeList nodes_;
  Graph graph_;
  std::vector<std::size_t> weight_nodes_;
};

}  // namespace visionpress::graphdef
