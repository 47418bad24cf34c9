#include "codecs/palette.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "codecs/decode.h"
#include "codecs/palette_fit.h"
#include "kernels/isa.h"

namespace visionpress {
namespace {

std::vector<PalettePoint> make_points(std::size_t count, std::mt19937& random) {
  std::vector<PalettePoint> points;
  double value = -3.0;
  for (std::size_t i = 0; i < count; ++i) {
    value += 0.01 * static_cast<double>(1 + random() % 100);
    const double weight = 1.0 + static_cast<double>(random() % 5);
    points.push_back({weight, weight * value});
  }
  return points;
}

double noise_of_run(const std::vector<PalettePoint>& points, std::size_t begin, std::size_t end) {
  double weight = 0.0;
  double sum = 0.0;
  for (std::size_t i = begin; i < end; ++i) {
    weight += points[i].weight;
    sum += points[i].sum;
  }
  double noise = 0.0;
  for (std::size_t i = begin; i < end; ++i) {
    const double error = points[i].sum / points[i].weight - sum / weight;
    noise += points[i].weight * error * error;
  }
  return noise;
}

double noise_of(const std::vector<PalettePoint>& points, const std::vector<std::size_t>& ends) {
  double noise = 0.0;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    noise += noise_of_run(points, begin, end);
    begin = end;
  }
  return noise;
}

/// The least noise of all divisions of the first `size` points, by trying every last run.
double search_all(const std::vector<PalettePoint>& points, std::size_t size, std::size_t runs) {
  if (runs == 1) return noise_of_run(points, 0, size);
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t begin = runs - 1; begin < size; ++begin) {
    best = std::min(best, search_all(points, begin, runs - 1) + noise_of_run(points, begin, size));
  }
  return best;
}

Form palette(int bits) { return {.encoding = Encoding::Table, .bits = bits}; }

EncodedWeight encode(const std::vector<float>& values, int bits,
                     const EncodeOptions& options = {}) {
  const Shape shape = {static_cast<std::int64_t>(values.size())};
  auto encoded = palette_family().encode(values, shape, palette(bits), options);
  EXPECT_TRUE(encoded) << encoded.error().message;
  return encoded ? *encoded : EncodedWeight();
}

std::vector<float> make_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.01F, 0.08F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

TEST(PaletteFitTest, NoDivisionOfFewPointsIsBetter) {
  std::mt19937 random(3);
  for (int run = 0; run < 60; ++run) {
    const std::size_t size = 1 + random() % 13;
    const std::vector<PalettePoint> points = make_points(size, random);
    for (std::size_t count = 1; count <= std::min<std::size_t>(size, 5); ++count) {
      const auto ends = divide_points(points, count, 1);
      ASSERT_EQ(ends.size(), count);
      ASSERT_EQ(ends.back(), size);
      ASSERT_TRUE(std::ranges::is_sorted(ends));
      EXPECT_NEAR(noise_of(points, ends), search_all(points, size, count), 1e-12);
    }
  }
}

/// The plain dynamic program over the same gains, without bounds.
double fill_plainly(const std::vector<PalettePoint>& points, std::size_t count) {
  const std::size_t size = points.size();
  std::vector<std::vector<double>> run(size + 1, std::vector<double>(size + 1, 0.0));
  for (std::size_t begin = 0; begin < size; ++begin) {
    double weight = 0.0;
    double sum = 0.0;
    double squares = 0.0;
    for (std::size_t end = begin + 1; end <= size; ++end) {
      const double value = points[end - 1].sum / points[end - 1].weight;
      weight += points[end - 1].weight;
      sum += points[end - 1].sum;
      squares += points[end - 1].sum * value;
      run[begin][end] = squares - sum * sum / weight;
    }
  }
  std::vector<double> best(size + 1);
  for (std::size_t end = 1; end <= size; ++end) best[end] = run[0][end];
  for (std::size_t k = 2; k <= count; ++k) {
    for (std::size_t end = size; end >= k; --end) {
      best[end] = std::numeric_limits<double>::infinity();
      for (std::size_t begin = k - 1; begin < end; ++begin) {
        best[end] = std::min(best[end], best[begin] + run[begin][end]);
      }
    }
  }
  return best[size];
}

TEST(PaletteFitTest, ManyPointsAreDividedAsThePlainProgramDivides) {
  std::mt19937 random(5);
  for (const std::size_t size : {16U, 17U, 100U, 300U}) {
    const std::vector<PalettePoint> points = make_points(size, random);
    for (const std::size_t count : {2U, 3U, 7U, 16U}) {
      const double expected = fill_plainly(points, count);
      EXPECT_NEAR(noise_of(points, divide_points(points, count, 2)), expected,
                  1e-12 * std::max(expected, 1.0));
    }
  }
}

TEST(PaletteFitTest, ThreadsDoNotChangeTheDivision) {
  std::mt19937 random(6);
  const std::vector<PalettePoint> points = make_points(5000, random);
  const auto expected = divide_points(points, 40, 1);
  for (const int threads : {2, 3, 8}) EXPECT_EQ(divide_points(points, 40, threads), expected);
}

TEST(PaletteTest, FewDistinctValuesStayExact) {
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.push_back(static_cast<float>(i % 4) / 3.0F - 0.1F);
  EncodeError error;
  EncodeOptions options;
  options.error = &error;
  const EncodedWeight encoded = encode(values, 2, options);
  EXPECT_EQ(*load_weight(encoded.view()), values);
  EXPECT_EQ(error.snr_db, std::numeric_limits<double>::infinity());
  // Two values that round to the same half are still two values.
  const std::vector<float> near = {1.0F, std::nextafter(1.0F, 2.0F), 1.0F, -0.0F, 0.0F, 0.0F};
  EXPECT_EQ(*load_weight(encode(near, 2).view()), near);
}

TEST(PaletteTest, ConstantAndEmptyAndTinyAndHugeWeightsAreEncoded) {
  const std::vector<float> constant(9, 0.1F);
  EXPECT_EQ(*load_weight(encode(constant, 1).view()), constant);
  EXPECT_EQ(encode({}, 3).code.table, std::vector<float>(8, 0.0F));
  for (const float scale : {1e-40F, 1e-9F, 1e30F}) {
    std::vector<float> values = make_values(3000, 4);
    for (float& value : values) value *= scale;
    EncodeError error;
    EncodeOptions options;
    options.error = &error;
    (void)encode(values, 6, options);
    EXPECT_GT(error.snr_db, 29.0) << scale;
  }
}

TEST(PaletteTest, EveryValueDecodesToTheNearestEntry) {
  const std::vector<float> values = make_values(70000, 8);
  for (int bits = 1; bits <= 8; ++bits) {
    const EncodedWeight encoded = encode(values, bits);
    const std::vector<float>& table = encoded.code.table;
    ASSERT_EQ(table.size(), std::size_t{1} << static_cast<unsigned>(bits));
    EXPECT_TRUE(std::ranges::is_sorted(table));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float chosen = table[std::to_integer<std::size_t>(encoded.codes[i])];
      const auto at = std::ranges::lower_bound(table, values[i]);
      float nearest = at == table.end() ? table.back() : *at;
      if (at != table.begin() && values[i] - *(at - 1) < nearest - values[i]) nearest = *(at - 1);
      // Halves of 11 bits: a value near the middle of two entries may get either.
      ASSERT_LE(std::fabs(chosen - values[i]),
                std::fabs(nearest - values[i]) + 0x1p-10F * std::fabs(values[i]) + 1e-7F);
    }
  }
}

TEST(PaletteTest, TheTableIsTheSameForEveryIsaAndThreadCount) {
  const Isa before = active_isa();
  const std::vector<float> values = make_values(200001, 9);
  force_isa(Isa::Scalar);
  const EncodedWeight expected = encode(values, 5);
  for (const Isa isa : {Isa::Avx2, Isa::Avx3, Isa::Best}) {
    force_isa(isa);
    for (const int threads : {1, 2, 3}) {
      EncodeOptions options;
      options.threads = threads;
      const EncodedWeight encoded = encode(values, 5, options);
      EXPECT_EQ(encoded.code.table, expected.code.table);
      EXPECT_EQ(encoded.codes, expected.codes);
    }
  }
  force_isa(before);
}

TEST(PaletteTest, OtherFormsAreRefused) {
  const auto refused = palette_family().encode(std::vector<float>{1.0F}, {1}, palette(9), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "palettes have 1..8 bits, not those of palette-9");
}

}  // namespace
}  // namespace visionpress
