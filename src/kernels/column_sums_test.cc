#include "kernels/column_sums.h"

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

TEST(ColumnSums, EachInstructionSetGivesTheReferencesBits) {
  for (const std::size_t columns : kOddSizes) {
    for (const std::size_t rows : {1U, 2U, 3U, 4U, 7U, 64U}) {
      for (const ColumnTerm term :
           {ColumnTerm::Value, ColumnTerm::Square, ColumnTerm::SquaredDifference}) {
        expect_the_reference_on_each_isa([&] {
          const auto x = make_random(rows * columns, 1, 50.0F);
          const std::vector<double> means(columns, 0.3);
          std::vector<double> totals(columns, 0.125);
          add_columns({x.data(), rows, columns, means.data()}, term, totals.data());
          std::vector<float> halves;  // of each double, so that all bits count
          for (const double total : totals) {
            const auto bits = std::bit_cast<std::uint64_t>(total);
            halves.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits >> 32U)));
            halves.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
          }
          return halves;
        });
      }
    }
  }
}

TEST(ColumnSums, TermsAreAddedDownTheColumns) {
  const std::vector<float> x = {1, 10, 2, 20, 3, 30, 4, 40, 5, 50};  // five rows of two
  const std::vector<double> means = {3, 30};
  const auto sum = [&](ColumnTerm term) {
    std::vector<double> totals = {100, 0};
    add_columns({x.data(), 5, 2, means.data()}, term, totals.data());
    return totals;
  };
  EXPECT_EQ(sum(ColumnTerm::Value), (std::vector<double>{115, 150}));
  EXPECT_EQ(sum(ColumnTerm::Square), (std::vector<double>{155, 5500}));
  EXPECT_EQ(sum(ColumnTerm::SquaredDifference), (std::vector<double>{110, 1000}));
}

}  // namespace
}  // namespace visionpress
