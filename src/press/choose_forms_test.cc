#include "press/choose_forms.h"

#include <random>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

using Weights = std::vector<std::vector<FormChoice>>;

struct Totals {
  std::uint64_t bytes = 0;
  double cost = 0.0;
};

Totals add_up(const Weights& weights, const std::vector<std::size_t>& choices) {
  Totals totals;
  for (std::size_t w = 0; w < weights.size(); ++w) {
    totals.bytes += weights[w][choices[w]].bytes;
    totals.cost += weights[w][choices[w]].cost;
  }
  return totals;
}

/// The least cost by trying everything.
double try_all(const Weights& weights, std::size_t from, std::uint64_t bytes_left) {
  if (from == weights.size()) return 0.0;
  double best = 1e300;
  for (const FormChoice& choice : weights[from]) {
    if (choice.bytes > bytes_left) continue;
    best = std::min(best, choice.cost + try_all(weights, from + 1, bytes_left - choice.bytes));
  }
  return best;
}

Weights make_weights(std::size_t count, std::size_t forms, unsigned seed) {
  std::mt19937 random(seed);
  Weights weights(count);
  for (auto& weight : weights) {
    const std::uint64_t size = 100 + random() % 5000;
    double cost = 1.0 + static_cast<double>(random() % 1000);
    for (std::size_t f = 1; f <= forms; ++f) {
      weight.push_back({size * f, cost});
      cost *= 0.1 + static_cast<double>(random() % 500) / 1000.0;
    }
  }
  return weights;
}

TEST(ChooseForms, IsAsGoodAsTryingEverything) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const Weights weights = make_weights(6, 4, seed);
    const FormFront front(weights);
    for (const std::uint64_t most : {20000U, 30000U, 50000U, 100000U}) {
      const auto choices = front.choose(most);
      const double best = try_all(weights, 0, most);
      ASSERT_EQ(choices.has_value(), best < 1e299) << seed;
      if (!choices) continue;
      EXPECT_LE(add_up(weights, *choices).bytes, most);
      EXPECT_NEAR(add_up(weights, *choices).cost, best, 1e-9 * best);
    }
  }
}

TEST(ChooseForms, NothingFitsWhereTheSmallestAreTooLarge) {
  const FormFront front({{{10, 1.0}}, {{10, 1.0}}});
  EXPECT_FALSE(front.choose(19));
  EXPECT_TRUE(front.choose(20));
  EXPECT_TRUE(FormFront({}).choose(0)->empty());
}

TEST(ChooseForms, TakesTheCheaperOfEqualBytes) {
  const FormFront front({{{10, 2.0}, {10, 1.0}, {12, 1.0}}});
  EXPECT_EQ(front.choose(100), std::vector<std::size_t>{1});
  EXPECT_EQ(front.sums().size(), 1U);
}

/// Hundreds of layers have more sums than are kept.
TEST(ChooseForms, StaysNearTheBestForManyWeights) {
  const Weights weights = make_weights(150, 6, 7);
  std::uint64_t total = 0;
  for (const auto& weight : weights) total += weight.back().bytes;
  const std::uint64_t most = total / 2;
  const auto choices = FormFront(weights).choose(most);
  ASSERT_TRUE(choices);
  const Totals found = add_up(weights, *choices);
  EXPECT_LE(found.bytes, most);
  // A sum is at least as good as the best one of 0.2 % fewer bytes.
  double bound = 1e300;
  double price = 1e-6;
  for (int i = 0; i < 1600; ++i, price *= 1.01) {
    // Lagrange: no choice within the bytes costs less than this.
    double sum = -price * 0.998 * static_cast<double>(most);
    for (const auto& weight : weights) {
      double least = 1e300;
      for (const FormChoice& choice : weight)
        least = std::min(least, choice.cost + price * static_cast<double>(choice.bytes));
      sum += least;
    }
    bound = bound > 1e299 ? sum : std::max(bound, sum);
  }
  EXPECT_LE(found.cost, bound * 1.02);
}

}  // namespace
}  // namespace visionpress
