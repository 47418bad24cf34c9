#include "calibrate/layer_rounding.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>
#include <numbers>

#include "base/parallel.h"
#include "calibrate/rounding.h"
#include "codecs/linear_grid.h"
#include "kernels/dense_matrix.h"

namespace visionpress {
namespace {

/// What is added to the diagonal of the moments, as a share of its mean. It keeps the fit from
/// chasing what single pictures show. Tried from 0.003 to 1 on two networks (docs/calibration.md):
/// unseen pictures agree best from 0.3 to 1.
constexpr double kDamping = 0.5;

/// What bits are worth widens grids from this many bits on. Those of fewer have no level at 0.
constexpr int kLeastWidenedBits = 3;

/// One group of a kernel, with its columns in the order of their power, the weakest first: the
/// strongest are rounded first, when all others can still make up for their errors.
struct GroupProblem {
  std::vector<std::size_t> order = {};  ///< place -> column
  std::vector<float> gram = {};         ///< as RoundingProblem::moments
  std::vector<float> pivots = {};
  std::vector<float> targets = {};

  [[nodiscard]] MatrixView moments() {
    return {gram.data(), order.size(), order.size(), order.size()};
  }
};

/// The grids that the rows of one group use.
struct GroupGrids {
  std::vector<RowGrid> grids = {};
  std::vector<std::size_t> scale_numbers = {};  ///< by grid: its index in WeightCode::scales
  std::vector<std::size_t> of_row = {};
};

std::vector<float> gather_kernel(const KernelMatrix& matrix, std::span<const float> values,
                                 std::size_t group) {
  std::vector<float> kernel;
  kernel.reserve(matrix.rows() * matrix.columns());
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    for (std::size_t c = 0; c < matrix.columns(); ++c)
      kernel.push_back(values[matrix.offset(group, r, c)]);
  }
  return kernel;
}

bool is_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

/// returns: false for inputs that are zero on every picture.
bool regularize(const MatrixView& gram, double share) {
  double trace = 0.0;
  for (std::size_t i = 0; i < gram.rows; ++i) trace += gram.at(i, i);
  const double mean = trace / static_cast<double>(gram.rows);
  if (!(mean > 0.0)) return false;
  for (std::size_t i = 0; i < gram.rows; ++i) gram.at(i, i) += static_cast<float>(share * mean);
  return true;
}

std::vector<std::size_t> order_by_power(const MatrixView& gram) {
  std::vector<std::size_t> order(gram.rows);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return gram.at(a, a) < gram.at(b, b); });
  return order;
}

std::vector<float> permute_columns(std::span<const float> values, std::size_t rows,
                                   const std::vector<std::size_t>& order) {
  std::vector<float> out(values.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < order.size(); ++c)
      out[r * order.size() + c] = values[r * order.size() + order[c]];
  }
  return out;
}

/// gram: upper triangle.  returns: both triangles, rows and columns in `order`.
std::vector<float> permute_gram(const std::vector<float>& gram,
                                const std::vector<std::size_t>& order, int threads) {
  const std::size_t k = order.size();
  std::vector<float> out(gram.size());
  parallel_for(k, threads, [&](std::size_t r) {
    for (std::size_t c = 0; c < k; ++c) {
      const std::size_t low = std::min(order[r], order[c]);
      const std::size_t high = std::max(order[r], order[c]);
      out[r * k + c] = gram[low * k + high];
    }
  });
  return out;
}

/// Fits the kernel to the inputs of the changed network: W + cross * (gram + damping)^-1.
/// moments: its sums are used up.  returns: nothing where the inputs are zero on every picture.
std::optional<GroupProblem> make_problem(std::span<const float> kernel, LayerMoments& moments,
                                         int threads) {
  GroupProblem problem;
  const std::size_t columns = moments.mean_input.size();
  const std::size_t rows = kernel.size() / columns;
  const MatrixView raw = {moments.gram.data(), columns, columns, columns};
  if (!regularize(raw, kDamping)) return std::nullopt;
  problem.order = order_by_power(raw);
  problem.gram = permute_gram(moments.gram, problem.order, threads);
  moments.gram = {};
  std::vector<float> correction = permute_columns(moments.cross, rows, problem.order);
  moments.cross = {};
  problem.targets = permute_columns(kernel, rows, problem.order);
  problem.pivots.resize(columns);
  // Rounding errors of sums in float32 can make a matrix indefinite that is not; more damping then
  // costs little.
  while (!factor_unit_lower(problem.moments(), problem.pivots, threads)) {
    mirror_upper(problem.moments(), threads);
    if (!regularize(problem.moments(), kDamping)) return std::nullopt;
  }
  solve_rows(problem.moments(), problem.pivots, {correction.data(), rows, columns, columns},
             threads);
  for (std::size_t i = 0; i < correction.size(); ++i) problem.targets[i] += correction[i];
  return problem;
}

/// The scale that an element of the weight has.
std::size_t scale_of(const EncodedWeight& weight, std::size_t offset) {
  if (weight.code.scales.size() <= 1) return 0;
  const AxisSplit split = split_at(weight.shape, static_cast<std::size_t>(weight.code.axis));
  return offset / split.inner % split.channels;
}

RowGrid grid_of(const EncodedWeight& weight, std::size_t scale) {
  const WeightCode& code = weight.code;
  RowGrid grid;
  if (code.encoding == Encoding::Table) {
    grid.table = code.table;
    grid.most_code = static_cast<int>(code.table.size()) - 1;
    return grid;
  }
  const LinearCodes codes = {.bits = code.bits, .is_signed = code.is_signed};
  grid.scale = code.scales[scale];
  grid.offset = code.offsets.empty() ? 0.0F : code.offsets[scale];
  grid.least_code = codes.least();
  grid.most_code = codes.most();
  grid.is_sign = codes.is_sign();
  return grid;
}

GroupGrids list_grids(const KernelMatrix& matrix, const EncodedWeight& start, std::size_t group) {
  GroupGrids found;
  std::vector<std::size_t> place(std::max<std::size_t>(start.code.scales.size(), 1), matrix.rows());
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    const std::size_t scale = scale_of(start, matrix.offset(group, r, 0));
    if (place[scale] == matrix.rows()) {
      place[scale] = found.grids.size();
      found.grids.push_back(grid_of(start, scale));
      found.scale_numbers.push_back(scale);
    }
    found.of_row.push_back(place[scale]);
  }
  return found;
}

/// Chooses each grid for the fitted values of its rows, weighted by the power of their columns.
void fit_grids(const EncodedWeight& start, GroupProblem& problem, GroupGrids& found, int threads) {
  const std::size_t columns = problem.order.size();
  const LinearCodes codes = {.bits = start.code.bits, .is_signed = start.code.is_signed};
  std::vector<std::vector<std::size_t>> rows_of_grid(found.grids.size());
  for (std::size_t r = 0; r < found.of_row.size(); ++r) rows_of_grid[found.of_row[r]].push_back(r);
  parallel_for(found.grids.size(), threads, [&](std::size_t g) {
    std::vector<float> values;
    std::vector<float> power;
    for (const std::size_t row : rows_of_grid[g]) {
      const auto begin = problem.targets.begin() + static_cast<std::ptrdiff_t>(row * columns);
      values.insert(values.end(), begin, begin + static_cast<std::ptrdiff_t>(columns));
      for (std::size_t c = 0; c < columns; ++c) power.push_back(problem.moments().at(c, c));
    }
    const GridChoice choice = fit_grid(values, codes, power);
    if (choice.fault != GridFault::None) return;
    found.grids[g].scale = choice.step.scale;
    found.grids[g].offset = choice.step.offset;
  });
}

/// The same grid with a wider step, and 0 as a level: the middle code, or one so far from it that
/// the grid still holds the range that it held. Rows whose 0 is one code share their frequencies.
RowGrid widen(const RowGrid& grid, double step) {
  const double low = grid.value_of(grid.least_code);
  const double high = grid.value_of(grid.most_code);
  double zero = std::ceil(0.5 * (grid.least_code + grid.most_code));
  zero = std::max(zero, grid.least_code + std::ceil(-low / step - 0.5));
  zero = std::min(zero, grid.most_code - std::ceil(high / step - 0.5));
  RowGrid wide = grid;
  wide.scale = static_cast<float>(step);
  wide.offset = wide.scale * static_cast<float>(-zero);
  wide.is_shared = true;
  return wide;
}

/// Gives each grid at least the step at which a finer one would take more bits than it is worth.
/// The steps of all rows are then alike, whatever their size: a bit is spent where it lowers the
/// error most. error_per_bit: of RoundingProblem.
void widen_grids(double error_per_bit, const GroupProblem& problem, GroupGrids& found) {
  // Codes of step s have an error of s^2 / 12 per unit of the pivot, and half the step takes one
  // bit more per code: with n columns, d(error)/d(bits) = -2 ln(2) * sum(pivots) / n * s^2 / 12.
  double pivots = 0.0;
  for (const float pivot : problem.pivots) pivots += pivot;
  const double count = static_cast<double>(problem.pivots.size());
  const double step = std::sqrt(6.0 * error_per_bit * count / (std::numbers::ln2 * pivots));
  if (!std::isfinite(step)) return;
  for (RowGrid& grid : found.grids) {
    if (step > grid.scale) grid = widen(grid, step);
  }
}

/// A kernel in one form while its groups are worked on, on several threads.
class KernelInForm {
 public:
  KernelInForm(const KernelMatrix& matrix, const KernelStart& start, std::span<const float> values)
      : matrix_(matrix), start_(*start.codes), noise_(start.noise), values_(values) {
    result_.codes = start_;
    result_.mean_change.resize(matrix.groups * matrix.rows());
  }

  /// moments: for the means and the number of samples.
  void round_group(std::size_t group, GroupProblem& problem, const LayerMoments& moments,
                   double signal, const RoundKernelOptions& options) {
    const std::size_t rows = matrix_.rows();
    const std::size_t columns = matrix_.columns();
    GroupGrids found = list_grids(matrix_, start_, group);
    const bool refits = can_refit();
    if (refits && start_.code.bits < 8) fit_grids(start_, problem, found, options.threads);
    const double error_per_bit = find_error_per_bit(signal);
    if (refits && start_.code.bits >= kLeastWidenedBits && error_per_bit > 0.0)
      widen_grids(error_per_bit, problem, found);
    RoundingProblem rounding;
    rounding.error_per_bit = error_per_bit;
    rounding.moments = problem.moments();
    rounding.pivots = problem.pivots;
    rounding.targets = {problem.targets.data(), rows, columns, columns};
    rounding.grid_of_row = found.of_row;
    rounding.refit_offset = !start_.code.offsets.empty();
    rounding.refit_scale = refits;
    rounding.passes = options.passes;
    rounding.threads = options.threads;
    std::vector<float> errors;
    const std::vector<std::int16_t> codes = round_rows(rounding, found.grids, errors);
    const double noise = measure_rounding(rounding.moments, {errors.data(), rows, columns, columns},
                                          options.threads);
    store_codes(group, problem.order, codes, found);
    store_means(group, problem.order, codes, found, moments);
    const std::scoped_lock lock(mutex_);
    if (refits) store_grids(found);
    result_.samples = moments.samples;
    result_.signal += signal;
    result_.noise += std::max(noise, 0.0);  // sums in float32 may end just below zero
  }

  /// The last call.
  [[nodiscard]] RoundedKernel take() { return std::move(result_); }

 private:
  /// What one bit is worth: noise / signal falls by a factor of 4 with each bit per weight, so with
  /// n weights, d(noise)/d(bits) = -2 ln(2) * noise / n.  signal: of one group.
  [[nodiscard]] double find_error_per_bit(double signal) const {
    const double weights = static_cast<double>(matrix_.groups * matrix_.rows() * matrix_.columns());
    return 2.0 * std::numbers::ln2 * noise_ / weights * signal *
           static_cast<double>(matrix_.groups);
  }

  /// A table is shared by all rows, and a scale that rows of several groups share cannot be
  /// refitted in one of them.
  [[nodiscard]] bool can_refit() const {
    return start_.code.encoding == Encoding::Linear &&
           (start_.code.scales.size() > 1 || matrix_.groups == 1);
  }

  void store_codes(std::size_t group, const std::vector<std::size_t>& order,
                   const std::vector<std::int16_t>& codes, const GroupGrids& found) {
    for (std::size_t r = 0; r < found.of_row.size(); ++r) {
      for (std::size_t c = 0; c < order.size(); ++c) {
        result_.codes.codes[matrix_.offset(group, r, order[c])] =
            static_cast<std::byte>(codes[r * order.size() + c]);
      }
    }
  }

  void store_means(std::size_t group, const std::vector<std::size_t>& order,
                   const std::vector<std::int16_t>& codes, const GroupGrids& found,
                   const LayerMoments& moments) {
    for (std::size_t r = 0; r < found.of_row.size(); ++r) {
      double change = moments.mean_lack[r];
      for (std::size_t c = 0; c < order.size(); ++c) {
        const double decoded = found.grids[found.of_row[r]].value_of(codes[r * order.size() + c]);
        change +=
            (values_[matrix_.offset(group, r, order[c])] - decoded) * moments.mean_input[order[c]];
      }
      result_.mean_change[group * found.of_row.size() + r] = change;
    }
  }

  void store_grids(const GroupGrids& found) {
    for (std::size_t g = 0; g < found.grids.size(); ++g) {
      result_.codes.code.scales[found.scale_numbers[g]] = found.grids[g].scale;
      if (!start_.code.offsets.empty())
        result_.codes.code.offsets[found.scale_numbers[g]] = found.grids[g].offset;
    }
  }

  const KernelMatrix& matrix_;
  const EncodedWeight& start_;
  double noise_ = 0.0;  ///< KernelStart::noise
  std::span<const float> values_;
  std::mutex mutex_ = {};
  RoundedKernel result_ = {};
};

/// Gathers what the pictures show about each group once, for all forms.
class KernelRounder {
 public:
  KernelRounder(const KernelMatrix& matrix, std::span<const KernelStart> starts,
                std::span<const float> values, const MomentCollector& collector)
      : matrix_(matrix), values_(values), collector_(collector) {
    for (const KernelStart& start : starts) forms_.emplace_back(matrix, start, values);
  }

  std::vector<RoundedKernel> round(const RoundKernelOptions& options) {
    if (matrix_.groups > 1) {
      RoundKernelOptions alone = options;
      alone.threads = 1;
      parallel_for(matrix_.groups, options.threads,
                   [&](std::size_t group) { round_group(group, alone); });
    } else {
      round_group(0, options);
    }
    if (not_because_.empty() && idle_groups_ == matrix_.groups)
      not_because_ = "its inputs are zero on every picture";
    std::vector<RoundedKernel> results;
    for (KernelInForm& form : forms_) {
      results.push_back(form.take());
      results.back().not_because = not_because_;
    }
    return results;
  }

 private:
  void round_group(std::size_t group, const RoundKernelOptions& options) {
    const std::size_t rows = matrix_.rows();
    const std::size_t columns = matrix_.columns();
    std::vector<float> kernel = gather_kernel(matrix_, values_, group);
    LayerMoments moments = collector_.collect(group, kernel, options.threads);
    if (!is_finite(moments.gram) || !is_finite(moments.cross)) {
      const std::scoped_lock lock(mutex_);
      not_because_ = "its inputs are not finite on the pictures";
      return;
    }
    const double signal =
        measure_rounding({moments.gram.data(), columns, columns, columns},
                         {kernel.data(), rows, columns, columns}, options.threads);
    std::optional<GroupProblem> problem = make_problem(kernel, moments, options.threads);
    if (!problem) {
      const std::scoped_lock lock(mutex_);
      ++idle_groups_;
      return;
    }
    for (KernelInForm& form : forms_) form.round_group(group, *problem, moments, signal, options);
  }

  const KernelMatrix& matrix_;
  std::span<const float> values_;
  const MomentCollector& collector_;
  std::mutex mutex_ = {};
  std::deque<KernelInForm> forms_ = {};  ///< they do not move
  std::size_t idle_groups_ = 0;          ///< whose inputs are zero on every picture
  std::string not_because_ = {};
};

}  // namespace

std::vector<RoundedKernel> round_kernel(const KernelMatrix& matrix,
                                        std::span<const KernelStart> starts,
                                        std::span<const float> values,
                                        const MomentCollector& collector,
                                        const RoundKernelOptions& options) {
  return KernelRounder(matrix, starts, values, collector).round(options);
}

}  // namespace visionpress
