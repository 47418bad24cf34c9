#include "press/choose_forms.h"

#include <algorithm>
#include <utility>

namespace visionpress {
namespace {

constexpr std::size_t kMostSums = 20000;

}  // namespace

void FormFront::drop_worse(std::vector<Sum>& sums) {
  std::ranges::sort(sums, [](const Sum& a, const Sum& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.cost < b.cost;
  });
  std::vector<Sum> kept;
  for (const Sum& sum : sums) {
    if (kept.empty() || sum.cost < kept.back().cost) kept.push_back(sum);
  }
  sums = std::move(kept);
}

/// Of the sums in one interval of bytes, keeps the smallest and the cheapest.
void FormFront::thin_out(std::vector<Sum>& sums) {
  if (sums.size() <= kMostSums) return;
  const std::uint64_t first = sums.front().bytes;
  const std::uint64_t width = (sums.back().bytes - first) / (kMostSums / 2) + 1;
  std::vector<Sum> kept;
  for (std::size_t i = 0; i < sums.size();) {
    const std::uint64_t interval = (sums[i].bytes - first) / width;
    std::size_t end = i + 1;
    while (end < sums.size() && (sums[end].bytes - first) / width == interval) ++end;
    kept.push_back(sums[i]);
    if (end - i > 1) kept.push_back(sums[end - 1]);
    i = end;
  }
  sums = std::move(kept);
}

FormFront::FormFront(const std::vector<std::vector<FormChoice>>& weights) {
  steps_.push_back({Sum{}});
  for (const std::vector<FormChoice>& choices : weights) {
    const std::vector<Sum>& before = steps_.back();
    std::vector<Sum> sums;
    sums.reserve(before.size() * choices.size());
    for (std::uint32_t i = 0; i < before.size(); ++i) {
      for (std::uint32_t c = 0; c < choices.size(); ++c) {
        sums.push_back(
            {before[i].bytes + choices[c].bytes, before[i].cost + choices[c].cost, i, c});
      }
    }
    drop_worse(sums);
    thin_out(sums);
    steps_.push_back(std::move(sums));
  }
  for (const Sum& sum : steps_.back()) sums_.push_back({sum.bytes, sum.cost});
}

std::optional<std::vector<std::size_t>> FormFront::choose(std::uint64_t most_bytes) const {
  const auto above = std::ranges::upper_bound(sums_, most_bytes, {}, &FormChoice::bytes);
  if (above == sums_.begin()) return std::nullopt;
  auto at = static_cast<std::size_t>(above - sums_.begin()) - 1;
  std::vector<std::size_t> choices(steps_.size() - 1);
  for (std::size_t w = choices.size(); w-- > 0;) {
    const Sum& sum = steps_[w + 1][at];
    choices[w] = sum.choice;
    at = sum.before;
  }
  return choices;
}

}  // namespace visionpress
