#include "infer/fit_search.h"

#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

/// Weights of 1000 values in 2 to 8 bits; each bit less costs four times as much.
FormFront make_front(std::size_t weights) {
  std::vector<std::vector<FormChoice>> choices(weights);
  for (std::size_t w = 0; w < weights; ++w) {
    double cost = 1e-6 * static_cast<double>(1 + w);
    for (std::uint64_t bits = 8; bits >= 2; --bits, cost *= 4.0)
      choices[w].push_back({bits * 125, cost});
  }
  return FormFront(choices);
}

std::uint64_t bytes_of(const FormFront& front, std::uint64_t most) {
  std::uint64_t bytes = 0;
  for (const FormChoice& sum : front.sums()) {
    if (sum.bytes <= most) bytes = sum.bytes;
  }
  return bytes;
}

TEST(FitSearch, OneTryWhereTheBytesAreAsExpected) {
  const FormFront front = make_front(10);
  FitSearch search(front, {.most_bytes = 6000, .fixed_bytes = 1000});
  ASSERT_TRUE(search.next());
  EXPECT_EQ(*search.next(), 5000U);
  search.note({.bytes = 1000 + bytes_of(front, 5000)});
  EXPECT_FALSE(search.next());
}

TEST(FitSearch, TriesAgainWhereTheFileIsTooLarge) {
  const FormFront front = make_front(10);
  FitSearch search(front, {.most_bytes = 6000, .fixed_bytes = 0});
  std::uint64_t bytes = 1U << 30U;
  std::size_t tries = 0;
  for (; search.next(); ++tries) {
    bytes = 1000 + bytes_of(front, *search.next());
    search.note({.bytes = bytes});
  }
  EXPECT_LE(bytes, 6000U);
  EXPECT_GT(bytes, 5800U);
  EXPECT_LE(tries, 3U);
}

TEST(FitSearch, UsesRoomThatIsLeft) {
  const FormFront front = make_front(10);
  FitSearch search(front, {.most_bytes = 4000, .fixed_bytes = 0});
  std::uint64_t best = 0;
  while (search.next()) {
    const std::uint64_t bytes = bytes_of(front, *search.next()) * 6 / 10;
    if (bytes <= 4000) best = std::max(best, bytes);
    search.note({.bytes = bytes});
  }
  EXPECT_GE(best, 3900U);
}

TEST(FitSearch, GivesUpWhereEvenTheSmallestIsTooLarge) {
  const FormFront front = make_front(4);
  FitSearch search(front, {.most_bytes = 100, .fixed_bytes = 50});
  ASSERT_TRUE(search.next());
  EXPECT_EQ(*search.next(), 1000U);
  search.note({.bytes = 1050});
  EXPECT_FALSE(search.next());
}

TEST(FitSearch, FindsTheSmallestThatIsGood) {
  const FormFront front = make_front(10);
  for (const std::uint64_t truth : {3000U, 4000U, 6000U, 8000U}) {
    FitSearch search(front, {.most_tries = 12});
    std::uint64_t best = 1U << 30U;
    while (search.next()) {
      const std::uint64_t bytes = bytes_of(front, *search.next());
      if (bytes >= truth) best = std::min(best, bytes);
      search.note({.bytes = bytes, .is_good = bytes >= truth});
    }
    EXPECT_GE(best, truth);
    EXPECT_LE(static_cast<double>(best), 1.05 * static_cast<double>(truth) + 130.0) << truth;
  }
}

TEST(FitSearch, EndsWhereNothingIsGoodOrEverythingIs) {
  const FormFront front = make_front(3);
  for (const bool is_good : {false, true}) {
    FitSearch search(front, {.most_tries = 50});
    std::size_t tries = 0;
    std::uint64_t last = 0;
    while (search.next() && ++tries < 50) {
      last = *search.next();
      search.note({.bytes = last, .is_good = is_good});
    }
    EXPECT_LT(tries, 12U);
    EXPECT_EQ(last, is_good ? front.sums().front().bytes : front.sums().back().bytes);
  }
}

TEST(FitSearch, WalksSumBySumWhereTheyAreFarApart) {
  // One weight: each sum costs a hundred times the one before it.
  const FormFront front({{{900, 1e-6}, {800, 1e-4}, {700, 1e-2}, {600, 1.0}, {500, 100.0}}});
  for (const std::uint64_t truth : {500U, 600U, 700U, 800U, 900U}) {
    FitSearch search(front, {});
    std::uint64_t best = 0;
    while (search.next()) {
      const std::uint64_t bytes = *search.next();
      const bool is_good = bytes >= truth;
      if (is_good && (best == 0 || bytes < best)) best = bytes;
      search.note({.bytes = bytes, .is_good = is_good});
    }
    EXPECT_EQ(best, truth);
  }
}

}  // namespace
}  // namespace visionpress
