#include "calibrate/rounding.h"

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

/// Moments of random samples that vary together, factored, and a matrix to round.
struct Problem {
  Problem(std::size_t rows, std::size_t k, unsigned seed)
      : gram(k * k), pivots(k), targets(rows * k), of_row(rows), columns(k) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> samples(4 * k * k);
    for (std::size_t i = 0; i < 4 * k; ++i) {
      const float shared = normal(random);
      for (std::size_t c = 0; c < k; ++c) samples[i * k + c] = normal(random) + shared;
    }
    add_gram({samples.data(), 4 * k, k, k}, moments(), 1);
    for (std::size_t i = 0; i < k; ++i) gram[i * k + i] += 0.1F;
    mirror_upper(moments(), 1);
    EXPECT_TRUE(factor_unit_lower(moments(), pivots, 1));
    for (float& value : targets) value = normal(random);
    for (std::size_t r = 0; r < rows; ++r) of_row[r] = r;
  }

  MatrixView moments() { return {gram.data(), columns, columns, columns}; }

  RoundingProblem view(int passes, int threads = 1) {
    RoundingProblem problem;
    problem.moments = moments();
    problem.pivots = pivots;
    problem.targets = {targets.data(), of_row.size(), columns, columns};
    problem.grid_of_row = of_row;
    problem.refit_scale = false;
    problem.passes = passes;
    problem.threads = threads;
    return problem;
  }

  /// The error of given codes, of all rows.
  double error_of(const std::vector<std::int16_t>& codes, std::span<const RowGrid> grids) {
    std::vector<float> errors(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const RowGrid& grid = grids[of_row[i / columns]];
      errors[i] = targets[i] - (grid.scale * static_cast<float>(codes[i]) + grid.offset);
    }
    return measure_rounding(moments(), {errors.data(), of_row.size(), columns, columns}, 1);
  }

  std::vector<float> gram;
  std::vector<float> pivots;
  std::vector<float> targets;
  std::vector<std::size_t> of_row;
  std::size_t columns;
};

std::vector<RowGrid> plain_grids(std::size_t rows) {
  return std::vector<RowGrid>(
      rows, RowGrid{.scale = 0.5F, .offset = -2.0F, .least_code = 0, .most_code = 8});
}

std::vector<std::int16_t> round_to_nearest(const Problem& problem,
                                           const std::vector<RowGrid>& grids) {
  std::vector<std::int16_t> codes;
  for (std::size_t i = 0; i < problem.targets.size(); ++i) {
    const RowGrid& grid = grids[problem.of_row[i / problem.columns]];
    const float position = std::nearbyint((problem.targets[i] - grid.offset) / grid.scale);
    codes.push_back(static_cast<std::int16_t>(std::clamp(
        position, static_cast<float>(grid.least_code), static_cast<float>(grid.most_code))));
  }
  return codes;
}

TEST(Rounding, ErrorsAreTheTargetsMinusTheCodes) {
  Problem problem(5, 7, 1);
  std::vector<RowGrid> grids = plain_grids(5);
  std::vector<float> errors;
  const auto codes = round_rows(problem.view(2), grids, errors);
  for (std::size_t i = 0; i < errors.size(); ++i)
    EXPECT_FLOAT_EQ(errors[i], problem.targets[i] - (0.5F * codes[i] - 2.0F));
}

TEST(Rounding, IndependentInputsAreRoundedToNearest) {
  Problem problem(3, 6, 2);
  std::fill(problem.gram.begin(), problem.gram.end(), 0.0F);
  for (std::size_t i = 0; i < 6; ++i) problem.gram[i * 7] = 1.0F;
  ASSERT_TRUE(factor_unit_lower(problem.moments(), problem.pivots, 1));
  std::vector<RowGrid> grids = plain_grids(3);
  std::vector<float> errors;
  EXPECT_EQ(round_rows(problem.view(1), grids, errors), round_to_nearest(problem, grids));
}

TEST(Rounding, IsBetterThanNearestAndNearTheBestOfAllCodes) {
  // 3 levels and 7 columns: all 2,187 roundings of a row can be tried.
  double found_sum = 0.0;
  double best_sum = 0.0;
  double nearest_sum = 0.0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    Problem problem(1, 7, seed);
    std::vector<RowGrid> grids = {
        {.scale = 1.0F, .offset = -1.0F, .least_code = 0, .most_code = 2}};
    std::vector<float> errors;
    const double found = problem.error_of(round_rows(problem.view(4), grids, errors), grids);
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 2187; ++i) {
      std::vector<std::int16_t> codes;
      for (int left = i; codes.size() < 7; left /= 3)
        codes.push_back(static_cast<std::int16_t>(left % 3));
      best = std::min(best, problem.error_of(codes, grids));
    }
    EXPECT_GE(found, best * 0.999) << "seed " << seed;
    found_sum += found;
    best_sum += best;
    nearest_sum += problem.error_of(round_to_nearest(problem, grids), grids);
  }
  // A single row may end in a local optimum; on average most of the way to the best is gone.
  EXPECT_LT(found_sum, best_sum + 0.25 * (nearest_sum - best_sum));
}

TEST(Rounding, DescentNeverRaisesTheError) {
  // 300 columns: several blocks, and more rows than one tile holds.
  Problem problem(40, 300, 3);
  double before = std::numeric_limits<double>::infinity();
  for (int passes = 0; passes <= 3; ++passes) {
    std::vector<RowGrid> grids = plain_grids(40);
    std::vector<float> errors;
    const double now = problem.error_of(round_rows(problem.view(passes), grids, errors), grids);
    EXPECT_LE(now, before * 1.00001) << passes;
    before = now;
  }
}

TEST(Rounding, RefittedGridsLowerTheError) {
  Problem problem(33, 64, 4);
  std::vector<RowGrid> fixed = plain_grids(33);
  std::vector<RowGrid> refitted = plain_grids(33);
  std::vector<float> errors;
  const double before = problem.error_of(round_rows(problem.view(2), fixed, errors), fixed);
  RoundingProblem view = problem.view(2);
  view.refit_scale = view.refit_offset = true;
  const double after = problem.error_of(round_rows(view, refitted, errors), refitted);
  EXPECT_LT(after, before);
  EXPECT_NE(refitted[0].scale, fixed[0].scale);
}

TEST(Rounding, RowsOfOneGridKeepOneScale) {
  Problem problem(33, 20, 5);
  std::fill(problem.of_row.begin(), problem.of_row.end(), 0);
  std::vector<RowGrid> grids = plain_grids(1);
  RoundingProblem view = problem.view(2);
  view.refit_scale = view.refit_offset = true;
  std::vector<float> errors;
  const auto codes = round_rows(view, grids, errors);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    EXPECT_NEAR(errors[i], problem.targets[i] - (grids[0].scale * codes[i] + grids[0].offset),
                1e-5);
  }
}

TEST(Rounding, SignCodesHaveNoZero) {
  Problem problem(2, 9, 6);
  std::vector<RowGrid> grids(2, RowGrid{.scale = 0.7F, .is_sign = true});
  std::vector<float> errors;
  for (const std::int16_t code : round_rows(problem.view(1), grids, errors))
    EXPECT_TRUE(code == -1 || code == 1);
}

TEST(Rounding, TablesAreNotRefitted) {
  const std::vector<float> table = {-1.5F, -0.25F, 0.25F, 2.0F};
  Problem problem(4, 12, 7);
  std::vector<RowGrid> grids(4, RowGrid{.most_code = 3, .table = table});
  std::vector<float> errors;
  const auto codes = round_rows(problem.view(2), grids, errors);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    EXPECT_FLOAT_EQ(errors[i], problem.targets[i] - table[static_cast<std::size_t>(codes[i])]);
  }
}

/// Bits per code by their frequencies.
double entropy_of(const std::vector<std::int16_t>& codes) {
  std::map<int, double> counts;
  for (const std::int16_t code : codes) ++counts[code];
  double bits = 0.0;
  for (const auto& [code, count] : counts)
    bits += count * std::log2(static_cast<double>(codes.size()) / count);
  return bits / static_cast<double>(codes.size());
}

TEST(Rounding, PricedBitsAreSavedAtLessErrorThanTheyAreWorth) {
  Problem problem(40, 100, 9);
  std::vector<RowGrid> grids = plain_grids(40);
  std::vector<float> errors;
  RoundingProblem view = problem.view(2);
  double bits = 0.0;
  double cost = 0.0;
  for (const double price : {0.0, 10.0, 40.0, 160.0}) {
    view.error_per_bit = price;
    const auto codes = round_rows(view, grids, errors);
    const double now = entropy_of(codes) * 4000.0;
    const double error = problem.error_of(codes, grids);
    if (price > 0.0) {
      EXPECT_LT(now, bits) << price;
      // The codes of the lower price, at this one, must be no better.
      EXPECT_LT(error + price * now, cost + price * bits) << price;
    }
    bits = now;
    cost = error;
  }
}

TEST(Rounding, AHighPriceLeavesOneCode) {
  Problem problem(40, 100, 10);
  std::vector<RowGrid> grids = plain_grids(40);
  std::vector<float> errors;
  RoundingProblem view = problem.view(2);
  view.error_per_bit = 1e6;
  EXPECT_EQ(entropy_of(round_rows(view, grids, errors)), 0.0);
}

TEST(Rounding, SignsAndTablesHavePricesToo) {
  const std::vector<float> table = {-1.5F, -0.25F, 0.25F, 2.0F};
  Problem problem(40, 100, 11);
  const RowGrid sign = {.scale = 0.7F, .least_code = -1, .most_code = 1, .is_sign = true};
  const RowGrid entries = {.most_code = 3, .table = table};
  for (const RowGrid& grid : {sign, entries}) {
    std::vector<RowGrid> grids(40, grid);
    std::vector<float> errors;
    RoundingProblem view = problem.view(2);
    const double before = entropy_of(round_rows(view, grids, errors));
    view.error_per_bit = 20.0;
    const auto codes = round_rows(view, grids, errors);
    EXPECT_LT(entropy_of(codes), before + 1e-9);
    for (const std::int16_t code : codes) {
      EXPECT_TRUE(grid.is_sign ? code == -1 || code == 1 : code >= 0 && code <= 3);
    }
  }
}

TEST(Rounding, SharedGridsAreRefittedToOneScaleAndKeepTheirZero) {
  Problem problem(33, 64, 4);
  std::vector<RowGrid> grids = plain_grids(33);
  for (std::size_t g = 1; g < grids.size(); ++g) grids[g].is_shared = true;
  grids[2].offset = -1.5F;
  std::vector<float> errors;
  RoundingProblem view = problem.view(2);
  const double before = problem.error_of(round_rows(view, grids, errors), grids);
  view.refit_scale = view.refit_offset = true;
  const double after = problem.error_of(round_rows(view, grids, errors), grids);
  EXPECT_LT(after, before);
  EXPECT_NE(grids[1].scale, 0.5F);
  EXPECT_NE(grids[1].scale, grids[0].scale);
  for (std::size_t g = 1; g < grids.size(); ++g) {
    EXPECT_EQ(grids[g].scale, grids[1].scale);
    EXPECT_EQ(grids[g].offset, grids[g].scale * (g == 2 ? -3.0F : -4.0F));
  }
}

TEST(Rounding, ResultsDoNotDependOnThreads) {
  Problem problem(70, 150, 8);
  std::vector<RowGrid> one = plain_grids(70);
  std::vector<RowGrid> two = plain_grids(70);
  RoundingProblem view = problem.view(2);
  view.refit_scale = view.refit_offset = true;
  view.error_per_bit = 2.0;
  std::vector<float> errors;
  const auto first = round_rows(view, one, errors);
  view.threads = 2;
  EXPECT_EQ(first, round_rows(view, two, errors));
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].scale, two[i].scale);
}

}  // namespace
}  // namespace visionpress
