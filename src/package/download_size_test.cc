#include "package/download_size.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <zlib.h>

namespace visionpress {
namespace {

std::vector<std::byte> make_bytes(std::size_t count, unsigned levels) {
  std::mt19937 random(2);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % levels);
  return bytes;
}

std::uint64_t deflate_whole(const std::vector<std::byte>& bytes) {
  std::vector<Bytef> source;
  for (const std::byte byte : bytes) source.push_back(std::to_integer<Bytef>(byte));
  uLongf size = compressBound(static_cast<uLong>(source.size()));
  std::vector<Bytef> out(size);
  EXPECT_EQ(compress2(out.data(), &size, source.data(), static_cast<uLong>(source.size()),
                      Z_BEST_COMPRESSION),
            Z_OK);
  return size;
}

TEST(DownloadSizeTest, OnePartIsAsLongAsGzipMakesIt) {
  constexpr std::uint64_t kMoreThanZlibFrame = 18 - 6;  // gzip's frame and zlib's
  for (const unsigned levels : {2U, 15U, 256U}) {
    for (const std::size_t count : {0U, 1U, 1000U, 300000U}) {
      const std::vector<std::byte> bytes = make_bytes(count, levels);
      const std::vector<Bytes> pieces = {bytes};
      const auto found = count_download_bytes(pieces, 1);
      ASSERT_TRUE(found);
      EXPECT_EQ(*found, deflate_whole(bytes) + kMoreThanZlibFrame) << levels << ' ' << count;
    }
  }
}

TEST(DownloadSizeTest, PartsAndPiecesAndThreadsChangeLittle) {
  const std::vector<std::byte> bytes = make_bytes(2500000, 15);
  const std::vector<Bytes> whole = {bytes};
  const std::vector<Bytes> pieces = {Bytes(bytes).first(7), Bytes(), Bytes(bytes).subspan(7)};
  const auto found = count_download_bytes(whole, 1);
  ASSERT_TRUE(found);
  EXPECT_EQ(*count_download_bytes(pieces, 3), *found);
  const auto expected = static_cast<double>(deflate_whole(bytes));
  EXPECT_NEAR(static_cast<double>(*found), expected, expected * 0.001);
}

TEST(DownloadSizeTest, TheEstimateOfCodesIsWithinFivePercent) {
  std::mt19937 random(5);
  std::normal_distribution<double> noise;
  std::vector<double> values(400000);
  for (double& value : values) value = noise(random);
  // From 6.7 bits of entropy per code to 0.3.
  for (const double step :
       {0.04, 0.06, 0.09, 0.12, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0}) {
    std::vector<std::byte> codes;
    for (const double value : values) {
      const auto code = static_cast<int>(std::lround(value / step));
      codes.push_back(static_cast<std::byte>(std::clamp(code, -128, 127) & 0xff));
    }
    const std::vector<Bytes> pieces = {codes};
    const auto exact = static_cast<double>(count_download_bytes(pieces, 2).value());
    EXPECT_NEAR(static_cast<double>(estimate_download_bytes(codes)), exact, 0.05 * exact) << step;
  }
  EXPECT_EQ(estimate_download_bytes({}), 0U);
}

}  // namespace
}  // namespace visionpress
