// SpaceToBatch and BatchToSpace: split an image into blocks along the batch, and back. TensorFlow 1
// wrote dilated convolutions with them.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"

namespace visionpress::graphdef {
namespace {

/// Reads the operator from the node's constants; nothing if they are computed.
Result<std::optional<SpaceBatch>> read_blocks(NodeLowering& node, const Shape& x) {
  std::optional<SpaceBatch> nothing;
  VP_ASSIGN_OR_RETURN(const auto sizes, node.find_integers(1));
  VP_ASSIGN_OR_RETURN(const auto pairs, node.find_integers(2));
  if (!sizes || !pairs) return nothing;
  constexpr std::int64_t kLargest = 1 << 12;  // elements; keeps products of three far from overflow
  const auto is_block = [](std::int64_t size) { return size >= 1 && size <= kLargest; };
  const bool fits = !sizes->empty() && sizes->size() <= 3 && x.size() > sizes->size() &&
                    pairs->size() == 2 * sizes->size() &&
                    std::all_of(sizes->begin(), sizes->end(), is_block) && are_sizes(*pairs);
  if (!fits) {
    return malformed(node, fmt::format("blocks of {} with {} in {}", to_string(*sizes),
                                       to_string(*pairs), to_string(x)));
  }
  SpaceBatch op;
  op.block = *sizes;
  for (std::size_t i = 0; i < pairs->size(); i += 2) {
    op.before.push_back((*pairs)[i]);
    op.after.push_back((*pairs)[i + 1]);
  }
  return std::optional<SpaceBatch>(std::move(op));
}

Result<void> lower_blocks(NodeLowering& node, SpaceBatchKind kind) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(auto op, read_blocks(node, *x.shape));
  if (!op) return node.refuse_computed(1, "its blocks are computed");
  op->kind = kind;
  return node.finish(std::move(*op), {&x}, x.dtype);
}

constexpr std::array kBatchRows = std::to_array<OperatorRow>({
    {"SpaceToBatchND",
     [](NodeLowering& node) { return lower_blocks(node, SpaceBatchKind::SpaceToBatch); }},
    {"BatchToSpaceND",
     [](NodeLowering& node) { return lower_blocks(node, SpaceBatchKind::BatchToSpace); }},
});

}  // namespace

std::span<const OperatorRow> batch_rows() { return kBatchRows; }

}  // namespace visionpress::graphdef
