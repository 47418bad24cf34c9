// Sums and means in the order of LiteRT's kernels.
//
// The builtin kernels walk a tensor in memory order and add each value to its result. XNNPACK adds
// neighbouring values first: in vectors (`xnnpack_sum`) if the innermost axis is reduced, else one
// result after another. It scales each partial sum before adding it to its result.

#include "run/ops/litert_sum.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "kernels/litert_math.h"

namespace visionpress {
namespace {

/// Neighbouring axes that are all reduced or all kept, merged into one. Axes of size 1 are left
/// out.
struct AxisGroup {
  std::size_t size = 1;
  bool is_reduced = false;
};

std::vector<AxisGroup> group_axes(const Shape& dims, const std::vector<bool>& reduced) {
  std::vector<AxisGroup> groups;
  for (std::size_t a = 0; a < dims.size(); ++a) {
    if (dims[a] == 1) continue;
    const auto size = static_cast<std::size_t>(dims[a]);
    if (!groups.empty() && groups.back().is_reduced == reduced[a]) {
      groups.back().size *= size;
    } else {
      groups.push_back({size, reduced[a]});
    }
  }
  return groups;
}

/// Strides of the groups in the result, in elements; 0 for a reduced group.
std::vector<std::size_t> result_strides(const std::vector<AxisGroup>& groups) {
  std::vector<std::size_t> strides(groups.size(), 0);
  std::size_t step = 1;
  for (std::size_t g = groups.size(); g-- > 0;) {
    if (groups[g].is_reduced) continue;
    strides[g] = step;
    step *= groups[g].size;
  }
  return strides;
}

class LitertSumOperator final : public Operator {
 public:
  LitertSumOperator(const LitertSum& sum, Shape out) : sum_(sum) {
    groups_ = group_axes(sum.dims, sum.reduced);
    if (groups_.empty() || std::none_of(groups_.begin(), groups_.end(), is_reduced))
      groups_.push_back({1, true});
    strides_ = result_strides(groups_);
    for (const AxisGroup& group : groups_) {
      if (group.is_reduced) reduced_count_ *= group.size;
    }
    inner_groups_ = sum.math == FloatMath::Xnnpack && !groups_.back().is_reduced ? 2 : 1;
    is_line_mean_ = sum.math == FloatMath::Builtin && sum.is_mean && groups_.size() <= 2 &&
                    groups_.back().is_reduced;
    if (sum.math == FloatMath::Xnnpack) scratch_bytes = groups_.back().size * sizeof(float);
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    float* y = context.outputs[0];
    const std::size_t count = count_of(output_dims[0]);
    std::fill(y, y + count, 0.0F);
    auto* scratch = view_as<float>(context.scratch);
    const std::size_t outer = groups_.size() - inner_groups_;
    std::size_t block = 1;
    for (std::size_t g = outer; g < groups_.size(); ++g) block *= groups_[g].size;
    std::vector<std::size_t> index(outer, 0);
    const float* x = context.inputs[0];
    while (true) {
      std::size_t at = 0;
      for (std::size_t g = 0; g < outer; ++g) at += index[g] * strides_[g];
      add_block(x, static_cast<std::size_t>(x - context.inputs[0]), y + at, scratch);
      x += block;
      std::size_t g = outer;
      while (g > 0 && ++index[g - 1] == groups_[g - 1].size) index[--g] = 0;
      if (g == 0) break;
    }
    if (sum_.is_mean && sum_.math == FloatMath::Builtin) {
      for (std::size_t i = 0; i < count; ++i) y[i] /= static_cast<float>(reduced_count_);
    }
  }

 private:
  static bool is_reduced(const AxisGroup& group) { return group.is_reduced; }

  // offset: position of x in the tensor, in values.
  void add_block(const float* x, std::size_t offset, float* y, float* scratch) const {
    const std::size_t line = groups_.back().size;
    if (is_line_mean_) {
      *y = builtin_line_sum(x, line, offset);
      return;
    }
    if (sum_.math == FloatMath::Builtin) {
      const std::size_t step = strides_.back();
      for (std::size_t i = 0; i < line; ++i) y[i * step] += x[i];
      return;
    }
    const float scale = sum_.is_mean ? 1.0F / static_cast<float>(reduced_count_) : 1.0F;
    if (groups_.back().is_reduced) {
      *y += xnnpack_sum(x, line) * scale;
      return;
    }
    const std::size_t lines = groups_[groups_.size() - 2].size;
    std::fill(scratch, scratch + line, 0.0F);
    for (std::size_t l = 0; l < lines; ++l) {
      for (std::size_t i = 0; i < line; ++i) scratch[i] += x[l * line + i];
    }
    for (std::size_t i = 0; i < line; ++i) y[i] += scratch[i] * scale;
  }

  LitertSum sum_;
  std::vector<AxisGroup> groups_ = {};
  std::vector<std::size_t> strides_ = {};
  std::size_t inner_groups_ = 1;  ///< the groups that add_block handles in one call
  std::size_t reduced_count_ = 1;
  bool is_line_mean_ = false;
};

}  // namespace

std::unique_ptr<Operator> make_litert_sum(const LitertSum& sum, Shape out) {
  return std::make_unique<LitertSumOperator>(sum, std::move(out));
}

}  // namespace visionpress
