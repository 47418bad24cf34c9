#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

std::optional<FusedActivation> fused_form(const Op& op) {
  const auto* unary = std::get_if<Unary>(&op);
  if (unary == nullptr) return std::nullopt;
  if (unary->kind == UnaryKind::Relu) return FusedActivation::Relu;
  if (unary->kind == UnaryKind::Relu6) return FusedActivation::Relu6;
  if (unary->kind == UnaryKind::ReluN1To1) return FusedActivation::ReluN1To1;
  return std::nullopt;
}

/// The operator's activation field; null where TFLite's operator has none.
FusedActivation* find_place(Op& op) {
  if (auto* conv = std::get_if<Conv2d>(&op)) return &conv->activation;
  if (auto* connected = std::get_if<FullyConnected>(&op)) return &connected->activation;
  if (auto* pool = std::get_if<Pool2d>(&op)) return &pool->activation;
  auto* binary = std::get_if<Binary>(&op);
  if (binary == nullptr) return nullptr;
  const bool arithmetic = binary->kind == BinaryKind::Add || binary->kind == BinaryKind::Subtract ||
                          binary->kind == BinaryKind::Multiply ||
                          binary->kind == BinaryKind::Divide;
  return arithmetic ? &binary->activation : nullptr;
}

}  // namespace

void fuse_activation(OwnedGraph& owned) {
  GraphEditor editor(owned);
  for (std::size_t n = 0; n < editor.node_count(); ++n) {
    const auto activation = fused_form(editor.node(n).op);
    if (!activation) continue;
    const std::size_t before = editor.sole_writer(editor.node(n).inputs[0]);
    if (before == GraphEditor::kNoNode) continue;
    FusedActivation* place = find_place(editor.node(before).op);
    if (place == nullptr || *place != FusedActivation::None) continue;
    if (editor.tensor(editor.node(n).outputs[0]).dtype != DType::Float32) continue;
    *place = *activation;
    editor.absorb(before, n);
  }
  editor.finish();
}

}  // namespace visionpress
