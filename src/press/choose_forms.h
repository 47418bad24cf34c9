#pragma once

// Chooses one form for each weight such that all together cost least within a number of bytes: the
// multiple-choice knapsack problem.
//
//   const FormFront front(weights);
//   if (const auto choices = front.choose(3'000'000)) ...

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace visionpress {

/// What one form of a weight takes and costs.
struct FormChoice {
  std::uint64_t bytes = 0;
  double cost = 0.0;  ///< not negative; costs of weights add up
};

/// All sums worth having: by ascending bytes, each cheaper than the one before. Exact until there
/// are more than about 20,000 of them; then sums of about the same bytes share one place.
class FormFront {
 public:
  /// weights: the choices of each weight, at least one.
  explicit FormFront(const std::vector<std::vector<FormChoice>>& weights);

  /// At least one; of no weights, one sum of nothing.
  [[nodiscard]] const std::vector<FormChoice>& sums() const { return sums_; }
  /// The index of each weight's choice in the cheapest sum of at most so many bytes; nothing where
  /// even the smallest takes more.
  [[nodiscard]] std::optional<std::vector<std::size_t>> choose(std::uint64_t most_bytes) const;

 private:
  /// A sum over the first weights.
  struct Sum {
    std::uint64_t bytes = 0;
    double cost = 0.0;
    std::uint32_t before = 0;  ///< index among the sums over one weight fewer
    std::uint32_t choice = 0;  ///< of the last weight
  };
  static void drop_worse(std::vector<Sum>& sums);
  static void thin_out(std::vector<Sum>& sums);

  std::vector<std::vector<Sum>> steps_ = {};  ///< by the number of weights
  std::vector<FormChoice> sums_ = {};
};

}  // namespace visionpress
