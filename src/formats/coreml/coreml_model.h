#pragma once

#include <optional>

#include "formats/coreml/coreml_weights.h"
#include "model/source_model.h"

namespace visionpress::coreml {

/// An opened .mlmodel: the graph, and for each of its weights the place in the file.
class CoreMlModel : public SourceModel {
 public:
  /// Where the file states its specification version, if it does.
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

 private:
  Bytes file_;
  Graph graph_;
  std::vector<WeightSlot> slots_;
  GatheredPayloads gathered_;  ///< graph_'s weights borrow from it
  Version version_;
};

}  // namespace visionpress::coreml
