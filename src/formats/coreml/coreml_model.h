#pragma once

#include <optional>

#include "formats/coreml/coreml_weights.h"
#include "model/source_model.h"

namespace visionpress::coreml {

/// An opened .mlmodel: the graph, and the place of each weight in the file.
class CoreMlModel : public SourceModel {
 public:
  /// The place of the specification version in the file, if the file has one.
  struct Version {
    std::uint64_t number = 0;
    std::optional<FileRange> field = std::nullopt;
  };

  CoreMlModel(Bytes file, Graph graph, std::vector<WeightSlot> slots, GatheredPayloads gathered,
              Version version)
      : file_(file),
        graph_(std::move(graph)),
        slots_(std::move(slots)),
        gathered_(std::move(gathered)),
        version_(version) {}

  [[nodiscard]] const Graph& graph() const override { return graph_; }
  [[nodiscard]] FormRules rules(const Form& form) const override;
  [[nodiscard]] Form adapt(std::size_t index, const Form& wish) const override;
  [[nodiscard]] std::string why_not(std::size_t index, const Form& form,
                                    const RewriteOptions& options) const override;
  [[nodiscard]] Result<FilePieces> rewrite(std::span<const WeightEdit> edits,
                                           const RewriteOptions& options) const override;
  [[nodiscard]] RuntimeReport judge_runtimes() const override;

 private:
  Bytes file_;
  Graph graph_;
  std::vector<WeightSlot> slots_;
  GatheredPayloads gathered_;  ///< weights of graph_ borrow from it
  Version version_;
};

}  // namespace visionpress::coreml
