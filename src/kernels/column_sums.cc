#include "kernels/column_sums.h"

#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/column_sums.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

using DoubleTag = hn::ScalableTag<double>;
using DoubleVector = hn::Vec<DoubleTag>;

template <ColumnTerm kTerm>
HWY_INLINE DoubleVector add_term(DoubleVector sum, DoubleVector x, DoubleVector mean) {
  if constexpr (kTerm == ColumnTerm::Value) return hn::Add(sum, x);
  if constexpr (kTerm == ColumnTerm::Square) return hn::Add(sum, hn::Mul(x, x));
  const auto difference = hn::Sub(x, mean);
  return hn::Add(sum, hn::Mul(difference, difference));
}

// One vector of columns.
template <ColumnTerm kTerm, bool kFull>
void add_vector(const ColumnRows& rows, std::size_t column, double* totals) {
  const DoubleTag d;
  const hn::Rebind<float, DoubleTag> d_float;
  const std::size_t valid = rows.columns - column;
  const auto load = [&](std::size_t row) HWY_ATTR {
    const float* at = rows.x + row * rows.columns + column;
    const auto x =
        kFull ? hn::LoadU(d_float, at) : hn::MaskedLoad(hn::FirstN(d_float, valid), d_float, at);
    return hn::PromoteTo(d, x);
  };
  const auto mask = hn::FirstN(d, valid);
  auto mean = hn::Zero(d);
  if constexpr (kTerm == ColumnTerm::SquaredDifference)
    mean = hn::MaskedLoad(mask, d, rows.means + column);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  std::size_t row = 0;
  for (; row + 4 <= rows.rows; row += 4) {
    s0 = add_term<kTerm>(s0, load(row), mean);
    s1 = add_term<kTerm>(s1, load(row + 1), mean);
    s2 = add_term<kTerm>(s2, load(row + 2), mean);
    s3 = add_term<kTerm>(s3, load(row + 3), mean);
  }
  if (row < rows.rows) s0 = add_term<kTerm>(s0, load(row), mean);
  if (row + 1 < rows.rows) s1 = add_term<kTerm>(s1, load(row + 1), mean);
  if (row + 2 < rows.rows) s2 = add_term<kTerm>(s2, load(row + 2), mean);
  const auto sum = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
  const auto total = hn::Add(hn::MaskedLoad(mask, d, totals + column), sum);
  hn::BlendedStore(total, mask, d, totals + column);
}

template <ColumnTerm kTerm>
void add_all(const ColumnRows& rows, double* totals) {
  const std::size_t lanes = hn::Lanes(DoubleTag());
  std::size_t column = 0;
  for (; column + lanes <= rows.columns; column += lanes)
    add_vector<kTerm, true>(rows, column, totals);
  if (column < rows.columns) add_vector<kTerm, false>(rows, column, totals);
}

void add_values(const ColumnRows& rows, double* totals) {
  add_all<ColumnTerm::Value>(rows, totals);
}
void add_squares(const ColumnRows& rows, double* totals) {
  add_all<ColumnTerm::Square>(rows, totals);
}
void add_differences(const ColumnRows& rows, double* totals) {
  add_all<ColumnTerm::SquaredDifference>(rows, totals);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(add_values);
HWY_EXPORT(add_squares);
HWY_EXPORT(add_differences);

namespace {

// The reference that VP_FORCE_ISA=scalar runs.
void add_columns_ref(const ColumnRows& rows, ColumnTerm term, double* totals) {
  for (std::size_t column = 0; column < rows.columns; ++column) {
    std::array<double, 4> sums = {};
    for (std::size_t row = 0; row < rows.rows; ++row) {
      const double x = rows.x[row * rows.columns + column];
      const double y = term == ColumnTerm::SquaredDifference ? x - rows.means[column] : x;
      sums[row % sums.size()] += term == ColumnTerm::Value ? x : y * y;
    }
    totals[column] += (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
}

}  // namespace

void add_columns(const ColumnRows& rows, ColumnTerm term, double* totals) {
  if (active_isa() == Isa::Scalar) return add_columns_ref(rows, term, totals);
  switch (term) {
    case ColumnTerm::Value:
      return HWY_DYNAMIC_DISPATCH(add_values)(rows, totals);
    case ColumnTerm::Square:
      return HWY_DYNAMIC_DISPATCH(add_squares)(rows, totals);
    case ColumnTerm::SquaredDifference:
      return HWY_DYNAMIC_DISPATCH(add_differences)(rows, totals);
  }
}

}  // namespace visionpress
#endif  // HWY_ONCE
