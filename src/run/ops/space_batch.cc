// SpaceToBatch and BatchToSpace: split an image into blocks along the batch, and back. TensorFlow 1
// wrote dilated convolutions with them.

#include <utility>

#include "base/error.h"
#include "run/operator.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

/// One physical axis other than the batch. Pixel `place` of the small image `offset` is pixel place
/// * block + offset - before of the whole image.
struct BlockedAxis {
  std::int64_t block = 1;
  std::int64_t before = 0;
  std::int64_t after = 0;
  std::int64_t step = 0;  ///< distance in the batch between the small images of two neighbouring
                          ///< offsets; 0: no blocks
};

using BlockedAxes = std::vector<BlockedAxis>;

std::int64_t offset_of(const BlockedAxis& axis, std::int64_t image) {
  return axis.step == 0 ? 0 : image / axis.step % axis.block;
}

/// Copies between many small images and a few whole ones; both directions pair the same elements.
class SpaceBatchOperator final : public Operator {
 public:
  /// axes: one per physical axis; the batch's entry is not used.
  SpaceBatchOperator(SpaceBatchKind kind, Shape small, Shape whole, BlockedAxes axes)
      : kind_(kind), small_(std::move(small)), whole_(std::move(whole)), axes_(std::move(axes)) {
    output_dims = {kind_ == SpaceBatchKind::SpaceToBatch ? small_ : whole_};
  }

  void run(const RunContext& context) const override {
    const std::size_t last = small_.size() - 1;
    Shape lines(small_.begin(), small_.end() - 1);
    Shape index(lines.size(), 0);
    const std::size_t count = count_of(lines);
    for (std::size_t line = 0; line < count; ++line) {
      copy_line(context, static_cast<std::int64_t>(line) * small_[last], index);
      for (std::size_t a = lines.size(); a-- > 0;) {
        if (++index[a] < lines[a]) break;
        index[a] = 0;
      }
    }
  }

 private:
  /// Copies one line of a small image along the innermost axis. index: positions on the other axes.
  void copy_line(const RunContext& context, std::int64_t at, const Shape& index) const {
    const std::int64_t image = index[0] / whole_[0];
    std::int64_t from = index[0] % whole_[0];
    bool inside = true;
    for (std::size_t a = 1; a < index.size(); ++a) {
      const BlockedAxis& axis = axes_[a];
      const std::int64_t place = index[a] * axis.block + offset_of(axis, image) - axis.before;
      inside = inside && place >= 0 && place < whole_[a];
      from = from * whole_[a] + place;
    }
    const BlockedAxis& axis = axes_.back();
    const std::int64_t size = whole_.back();
    const std::int64_t first = offset_of(axis, image) - axis.before;
    for (std::int64_t i = 0; i < small_.back(); ++i) {
      const std::int64_t place = i * axis.block + first;
      const bool is_pixel = inside && place >= 0 && place < size;
      if (kind_ == SpaceBatchKind::SpaceToBatch) {
        context.outputs[0][at + i] = is_pixel ? context.inputs[0][from * size + place] : 0.0F;
      } else if (is_pixel) {
        context.outputs[0][from * size + place] = context.inputs[0][at + i];
      }
    }
  }

  SpaceBatchKind kind_;
  Shape small_;
  Shape whole_;
  BlockedAxes axes_;
};

/// The blocks of each physical axis.
Result<BlockedAxes> place_blocks(const SpaceBatch& op, std::size_t rank, Layout layout) {
  BlockedAxes axes(rank);
  std::int64_t step = 1;
  for (std::size_t i = op.block.size(); i-- > 0;) {
    VP_ASSIGN_OR_RETURN(const int at, physical_axis(static_cast<int>(i) + 1, rank, layout));
    axes[static_cast<std::size_t>(at)] = {op.block[i], op.before[i], op.after[i], step};
    step *= op.block[i];
  }
  axes[0].block = step;  // the number of small images per whole image
  return axes;
}

}  // namespace

OperatorResult build_operator(const SpaceBatch& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(BlockedAxes axes, place_blocks(op, in.size(), context.layout));
  const bool to_batch = op.kind == SpaceBatchKind::SpaceToBatch;
  const Shape& out = context.results[0];
  return std::make_unique<SpaceBatchOperator>(op.kind, to_batch ? out : in, to_batch ? in : out,
                                              std::move(axes));
}

}  // namespace visionpress
