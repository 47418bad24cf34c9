#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "formats/onnx/onnx_graph.h"
#include "formats/onnx/onnx_rewrite.h"
#include "formats/onnx/onnx_slot.h"
#include "model/source_model.h"

namespace visionpress::onnx {

/// An opened ONNX file: the graph, and the place of each weight in the file.
class OnnxModel : public SourceModel {
 public:
  OnnxModel(Bytes file, std::unique_ptr<ModelFile> model, std::unique_ptr<ExternalFiles> external,
            Graph graph, std::vector<WeightSlot> slots)
      : file_(file),
        model_(std::move(model)),
        external_(std::move(external)),
        graph_(std::move(graph)),
        slots_(std::move(slots)),
        storage_(plan_code_storage(*model_)) {}

  [[nodiscard]] const Graph& graph() const override { return graph_; }
  [[nodiscard]] Result<void> check_rewritable() const override;
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
  std::unique_ptr<ModelFile> model_;
  std::unique_ptr<ExternalFiles> external_;
  Graph graph_;
  std::vector<WeightSlot> slots_;
  CodeStorages storage_;
};

}  // namespace visionpress::onnx
