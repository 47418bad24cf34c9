#include <utility>

#include "run/operator.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

class TileOperator final : public Operator {
 public:
  /// multiples: one per physical axis.
  TileOperator(const Shape& in, const Shape& multiples, Shape out) {
    // Treat each tiled axis as two: the repetition, with stride 0 in x, and the position in x.
    const Strides dense = dense_strides(in);
    for (std::size_t a = 0; a < in.size(); ++a) {
      walk_.push_back(multiples[a]);
      strides_.push_back(0);
      walk_.push_back(in[a]);
      strides_.push_back(dense[a]);
    }
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    walk_lines(walk_, strides_, dense_strides(walk_),
               [&](std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t step,
                   std::int64_t) {
                 for (std::int64_t i = 0; i < count; ++i)
                   context.outputs[0][to + i] = context.inputs[0][from + i * step];
               });
  }

 private:
  Shape walk_ = {};
  Strides strides_ = {};
};

}  // namespace

OperatorResult build_operator(const Tile& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  // Multiples are permuted like the sizes of a shape with the same rank.
  return std::make_unique<TileOperator>(in, physical_shape(op.multiples, context.layout),
                                        context.results[0]);
}

}  // namespace visionpress
