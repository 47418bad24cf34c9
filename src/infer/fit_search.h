#pragma once

// Which sum of forms to try next. Knows nothing of models: it is told what each try came to.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "press/choose_forms.h"

namespace visionpress {

struct FitGoal {
  /// Bytes that the file may have; nothing: as few as the quality allows.
  std::optional<std::uint64_t> most_bytes = std::nullopt;
  std::uint64_t fixed_bytes = 0;  ///< of the file without its weights, about
  std::size_t most_tries = 6;
};

/// What a tried file came to.
struct FitOutcome {
  std::uint64_t bytes = 0;
  bool is_good = true;  ///< it meets the limits of quality
};

class FitSearch {
 public:
  /// front: borrowed.
  FitSearch(const FormFront& front, const FitGoal& goal);

  /// The bytes of the weights to choose forms for (FormFront::choose); nothing: the search is over.
  [[nodiscard]] std::optional<std::uint64_t> next() const { return next_; }
  /// Tells what the file of `next` came to.
  void note(const FitOutcome& outcome);

 private:
  void fit_bytes(const FitOutcome& outcome);
  void fit_quality(const FitOutcome& outcome);
  /// The smallest sum that costs at most this; the cheapest sum where there is none.
  [[nodiscard]] std::uint64_t bytes_of_cost(double cost) const;
  [[nodiscard]] double cost_of_bytes(std::uint64_t bytes) const;
  /// The next sum with fewer or more bytes; the one in the middle of those between two.
  [[nodiscard]] std::optional<std::uint64_t> sum_below(std::uint64_t bytes) const;
  [[nodiscard]] std::optional<std::uint64_t> sum_above(std::uint64_t bytes) const;
  [[nodiscard]] std::optional<std::uint64_t> sum_between(std::uint64_t low,
                                                         std::uint64_t high) const;

  const FormFront& front_;
  FitGoal goal_;
  std::size_t tries_ = 0;
  std::optional<std::uint64_t> next_ = std::nullopt;
  std::optional<std::uint64_t> good_ = std::nullopt;  ///< the smallest bytes that were good
  std::optional<std::uint64_t> bad_ = std::nullopt;   ///< the largest bytes that were not
};

}  // namespace visionpress
