#include "infer/fit_search.h"

#include <algorithm>
#include <cmath>

namespace visionpress {
namespace {

/// The first try: an SNR of 20 dB at the outputs, at which few answers change.
constexpr double kFirstCost = 0.01;
/// From one try to the next while all were good, or none.
constexpr double kStep = 4.0;
/// Good and bad tries closer than this are close enough.
constexpr double kCloseEnough = 1.015;
/// A file this much below its limit is not tried larger.
constexpr double kUnusedShare = 0.01;

}  // namespace

FitSearch::FitSearch(const FormFront& front, const FitGoal& goal) : front_(front), goal_(goal) {
  if (goal_.most_bytes) {
    const std::uint64_t least = front_.sums().front().bytes;
    const std::uint64_t room =
        *goal_.most_bytes > goal_.fixed_bytes ? *goal_.most_bytes - goal_.fixed_bytes : 0;
    next_ = std::max(room, least);
  } else {
    next_ = bytes_of_cost(kFirstCost);
  }
}

std::uint64_t FitSearch::bytes_of_cost(double cost) const {
  const auto found = std::ranges::partition_point(
      front_.sums(), [&](const FormChoice& sum) { return sum.cost > cost; });
  return found == front_.sums().end() ? front_.sums().back().bytes : found->bytes;
}

double FitSearch::cost_of_bytes(std::uint64_t bytes) const {
  const auto above = std::ranges::upper_bound(front_.sums(), bytes, {}, &FormChoice::bytes);
  return above == front_.sums().begin() ? above->cost : (above - 1)->cost;
}

std::optional<std::uint64_t> FitSearch::sum_below(std::uint64_t bytes) const {
  const auto found = std::ranges::lower_bound(front_.sums(), bytes, {}, &FormChoice::bytes);
  if (found == front_.sums().begin()) return std::nullopt;
  return (found - 1)->bytes;
}

std::optional<std::uint64_t> FitSearch::sum_above(std::uint64_t bytes) const {
  const auto found = std::ranges::upper_bound(front_.sums(), bytes, {}, &FormChoice::bytes);
  if (found == front_.sums().end()) return std::nullopt;
  return found->bytes;
}

std::optional<std::uint64_t> FitSearch::sum_between(std::uint64_t low, std::uint64_t high) const {
  const auto first = std::ranges::upper_bound(front_.sums(), low, {}, &FormChoice::bytes);
  const auto last = std::ranges::lower_bound(front_.sums(), high, {}, &FormChoice::bytes);
  if (first >= last) return std::nullopt;
  return (first + (last - first) / 2)->bytes;
}

void FitSearch::note(const FitOutcome& outcome) {
  ++tries_;
  if (goal_.most_bytes) {
    fit_bytes(outcome);
  } else {
    fit_quality(outcome);
  }
  if (tries_ >= goal_.most_tries) next_ = std::nullopt;
}

/// The file's bytes differ from the sum's: it has other parts, and codes that compress.
void FitSearch::fit_bytes(const FitOutcome& outcome) {
  const std::uint64_t tried = *next_;
  const auto limit = static_cast<double>(*goal_.most_bytes);
  const auto now = static_cast<double>(outcome.bytes);
  const bool fits = outcome.bytes <= *goal_.most_bytes;
  const bool is_full = now >= limit * (1.0 - kUnusedShare);
  const FormChoice& least = front_.sums().front();
  const FormChoice& most = front_.sums().back();
  if (fits) {
    good_ = std::max(good_.value_or(0), tried);
  } else {
    bad_ = std::min(bad_.value_or(tried), tried);
  }
  const bool is_over =
      (fits && (is_full || tried >= most.bytes)) || (!fits && tried <= least.bytes);
  next_ = std::nullopt;
  if (is_over) return;
  const auto change = static_cast<std::int64_t>(limit * (1.0 - kUnusedShare / 4.0) - now);
  const auto moved = std::max<std::int64_t>(static_cast<std::int64_t>(tried) + change, 0);
  std::uint64_t wanted = std::clamp(static_cast<std::uint64_t>(moved), least.bytes, most.bytes);
  if (good_ && wanted <= *good_) return;
  if (bad_ && wanted >= *bad_) {
    if (!good_) return;
    wanted = *good_ + (*bad_ - *good_) / 2;
  }
  // The same sum again gives the same file.
  if (cost_of_bytes(wanted) == cost_of_bytes(tried)) return;
  next_ = wanted;
}

void FitSearch::fit_quality(const FitOutcome& outcome) {
  const std::uint64_t tried = *next_;
  if (outcome.is_good) {
    good_ = std::min(good_.value_or(tried), tried);
  } else {
    bad_ = std::max(bad_.value_or(tried), tried);
  }
  next_ = std::nullopt;
  std::uint64_t wanted = 0;
  if (good_ && bad_) {
    if (static_cast<double>(*good_) < kCloseEnough * static_cast<double>(*bad_)) return;
    const double low = std::max(cost_of_bytes(*good_), 1e-12);
    wanted = bytes_of_cost(std::sqrt(low * cost_of_bytes(*bad_)));
    if (wanted <= *bad_ || wanted >= *good_) {
      const auto between = sum_between(*bad_, *good_);
      if (!between) return;
      wanted = *between;
    }
  } else {
    const double cost = cost_of_bytes(tried);
    wanted = bytes_of_cost(outcome.is_good ? cost * kStep : cost / kStep);
    if (wanted == tried) {
      // Of few weights, the next sum may cost more than the step.
      const auto next = outcome.is_good ? sum_below(tried) : sum_above(tried);
      if (!next) return;
      wanted = *next;
    }
  }
  next_ = wanted;
}

}  // namespace visionpress
