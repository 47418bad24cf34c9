#include "kernels/dense_matrix.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

struct Matrix {
  Matrix(std::size_t rows, std::size_t columns)
      : values(rows * columns), view{values.data(), rows, columns, columns} {}
  Matrix(const Matrix& other) : values(other.values), view(other.view) {
    view.data = values.data();
  }
  Matrix& operator=(const Matrix&) = delete;
  ~Matrix() = default;

  std::vector<float> values;
  MatrixView view;
};

Matrix random_matrix(std::size_t rows, std::size_t columns, unsigned seed) {
  Matrix matrix(rows, columns);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (float& value : matrix.values) value = normal(random);
  return matrix;
}

/// k x k, upper triangle and lower one, with a little added to the diagonal.
Matrix random_gram(std::size_t k, unsigned seed, int threads) {
  const Matrix samples = random_matrix(2 * k + 3, k, seed);
  Matrix gram(k, k);
  add_gram(samples.view, gram.view, threads);
  for (std::size_t i = 0; i < k; ++i) gram.view.at(i, i) += 0.1F;
  mirror_upper(gram.view, threads);
  return gram;
}

// Sizes around the tile of 256: below, at, one over, and several with a rest.
class DenseMatrix : public testing::TestWithParam<std::size_t> {};

TEST_P(DenseMatrix, GramIsTheSumOfOuterProducts) {
  const std::size_t k = GetParam();
  const Matrix samples = random_matrix(37, k, 1);
  Matrix gram(k, k);
  add_gram(samples.view, gram.view, 2);
  mirror_upper(gram.view, 2);
  for (std::size_t r = 0; r < k; r += 7) {
    for (std::size_t c = 0; c < k; c += 5) {
      double sum = 0.0;
      for (std::size_t i = 0; i < 37; ++i)
        sum += static_cast<double>(samples.view.at(i, r)) * samples.view.at(i, c);
      // 37 products of about 1, each rounded to float32
      ASSERT_NEAR(gram.view.at(r, c), sum, 37 * 4 * 6e-8 * 10) << r << " " << c;
    }
  }
}

TEST_P(DenseMatrix, FactorsMultiplyToTheMatrixAndLeaveItsUpperTriangle) {
  const std::size_t k = GetParam();
  const Matrix gram = random_gram(k, 2, 2);
  Matrix factored = gram;
  std::vector<float> pivots(k);
  ASSERT_TRUE(factor_unit_lower(factored.view, pivots, 2));
  for (std::size_t r = 0; r < k; ++r) {
    for (std::size_t c = r; c < k; ++c) ASSERT_EQ(factored.view.at(r, c), gram.view.at(r, c));
  }
  const auto lower = [&](std::size_t r, std::size_t c) {
    return r == c ? 1.0 : static_cast<double>(factored.view.at(r, c));
  };
  for (std::size_t r = 0; r < k; r += 11) {
    for (std::size_t c = 0; c <= r; c += 3) {
      double sum = 0.0;
      for (std::size_t j = 0; j <= c; ++j) sum += lower(r, j) * pivots[j] * lower(c, j);
      // The entries are sums of k products; the diagonal is about 2 k.
      ASSERT_NEAR(sum, gram.view.at(r, c), 1e-5 * static_cast<double>(2 * k)) << r << " " << c;
    }
  }
}

TEST_P(DenseMatrix, SolvedRowsTimesTheMatrixAreTheRows) {
  const std::size_t k = GetParam();
  Matrix gram = random_gram(k, 3, 2);
  std::vector<float> pivots(k);
  ASSERT_TRUE(factor_unit_lower(gram.view, pivots, 2));
  const Matrix rows = random_matrix(67, k, 4);
  Matrix solved = rows;
  solve_rows(gram.view, pivots, solved.view, 2);
  Matrix back(67, k);
  multiply_symmetric(solved.view, gram.view, back.view, 2);
  for (std::size_t i = 0; i < rows.values.size(); ++i)
    ASSERT_NEAR(back.values[i], rows.values[i], 2e-3) << i;
}

TEST_P(DenseMatrix, ResultsDoNotDependOnThreads) {
  const std::size_t k = GetParam();
  std::vector<float> one_pivots(k);
  std::vector<float> two_pivots(k);
  Matrix one = random_gram(k, 5, 1);
  Matrix two = random_gram(k, 5, 2);
  ASSERT_EQ(factor_unit_lower(one.view, one_pivots, 1), factor_unit_lower(two.view, two_pivots, 2));
  EXPECT_EQ(one.values, two.values);
  EXPECT_EQ(one_pivots, two_pivots);
  const Matrix a = random_matrix(65, k, 6);
  Matrix product_one(65, 65);
  Matrix product_two(65, 65);
  const Product product = {a.view, Transposed::No, a.view, Transposed::Yes, 2.0F, 0.0F};
  multiply(product, product_one.view, 1);
  multiply(product, product_two.view, 2);
  EXPECT_EQ(product_one.values, product_two.values);
}

INSTANTIATE_TEST_SUITE_P(Sizes, DenseMatrix, testing::Values(1, 9, 256, 257, 600));

TEST(DenseMatrixFactor, RefusesAMatrixThatIsNotPositiveDefinite) {
  Matrix matrix(2, 2);
  matrix.values = {1.0F, 2.0F, 2.0F, 1.0F};
  std::vector<float> pivots(2);
  EXPECT_FALSE(factor_unit_lower(matrix.view, pivots, 1));
}

}  // namespace
}  // namespace visionpress
