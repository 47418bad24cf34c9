#include "kernels/resize_taps.h"

#include <algorithm>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

using Bytes8 = std::vector<std::uint8_t>;

struct DrawnTaps {
  std::vector<int> first = {};
  std::vector<int> count = {};
  std::vector<std::int32_t> weights = {};
  std::size_t stride = 0;

  [[nodiscard]] RowTaps view() const { return {first, count, weights, stride}; }
};

/// Up to `most` samples per result, anywhere in the row; negative weights too, which pass the
/// byte's range at both ends.
DrawnTaps draw_taps(std::mt19937& random, int pixels, std::size_t results, int most) {
  DrawnTaps taps;
  taps.stride = (static_cast<std::size_t>(most) + kTapGroup - 1) / kTapGroup * kTapGroup;
  taps.weights.resize(results * taps.stride);
  for (std::size_t x = 0; x < results; ++x) {
    const int count =
        1 + static_cast<int>(random() % static_cast<unsigned>(std::min(most, pixels)));
    taps.first.push_back(static_cast<int>(random() % static_cast<unsigned>(pixels - count + 1)));
    taps.count.push_back(count);
    for (int k = 0; k < count; ++k) {
      const int whole = 2 * (1 << kTapWeightBits) / count;
      taps.weights[x * taps.stride + static_cast<std::size_t>(k)] =
          static_cast<std::int32_t>(random() % static_cast<unsigned>(whole)) - whole / 4;
    }
  }
  return taps;
}

Bytes8 draw_bytes(std::mt19937& random, std::size_t count) {
  Bytes8 bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

std::vector<float> as_floats(const Bytes8& bytes) { return {bytes.begin(), bytes.end()}; }

TEST(ResizeTaps, RowsAreTheReferencesOnEachInstructionSet) {
  std::mt19937 random(1);
  for (const std::size_t pixels : {1U, 4U, 5U, 6U, 33U, 640U}) {
    for (const std::size_t results : {1U, 2U, 17U, 130U}) {
      for (const int most : {1, 3, 4, 5, 9, 40}) {
        const DrawnTaps taps = draw_taps(random, static_cast<int>(pixels), results, most);
        const Bytes8 from = draw_bytes(random, pixels * 3);
        expect_the_reference_on_each_isa([&] {
          Bytes8 to(results * 3);
          resize_rgb_row(from.data(), pixels, taps.view(), to.data());
          return as_floats(to);
        });
      }
    }
  }
}

TEST(ResizeTaps, BlendedRowsAreTheReferencesOnEachInstructionSet) {
  std::mt19937 random(2);
  for (const std::size_t width : kOddSizes) {
    for (const int rows : {1, 2, 5, 21}) {
      const DrawnTaps taps = draw_taps(random, rows, 1, rows);
      const std::size_t row_bytes = width + 3;
      const Bytes8 from = draw_bytes(random, row_bytes * static_cast<std::size_t>(rows));
      const auto weights = std::span(taps.weights).first(static_cast<std::size_t>(rows));
      expect_the_reference_on_each_isa([&] {
        Bytes8 to(width);
        blend_rows(from.data(), static_cast<std::ptrdiff_t>(row_bytes), weights, to);
        return as_floats(to);
      });
    }
  }
}

TEST(ResizeTaps, SumsAreRoundedToTheNearestAndCut) {
  constexpr std::int32_t kOne = 1 << kTapWeightBits;
  DrawnTaps taps;
  taps.stride = kTapGroup;
  taps.first = {0, 1, 0};
  taps.count = {2, 1, 2};
  taps.weights = {kOne / 2, kOne / 2, 0, 0, 2 * kOne, 0, 0, 0, kOne, -kOne, 0, 0};
  const Bytes8 from = {10, 20, 255, 11, 40, 200};
  Bytes8 to(9);
  resize_rgb_row(from.data(), 2, taps.view(), to.data());
  EXPECT_EQ(to, (Bytes8{11, 30, 228, 22, 80, 255, 0, 0, 55}));
  Bytes8 blended(3);
  blend_rows(from.data(), 3, std::vector<std::int32_t>{kOne / 2, kOne / 2}, blended);
  EXPECT_EQ(blended, (Bytes8{11, 30, 228}));
}

}  // namespace
}  // namespace visionpress
