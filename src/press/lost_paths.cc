#include "press/lost_paths.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace visionpress {
namespace {

/// Operators of one type that were lost for one reason.
struct Loss {
  std::string type = {};
  std::string why = {};
  std::size_t count = 0;
};

void add_loss(const OperatorRuntimes& row, const RuntimeAnswer& answer, std::vector<Loss>& losses) {
  const auto known = std::ranges::find_if(
      losses, [&](const Loss& loss) { return loss.type == row.type && loss.why == answer.why; });
  if (known != losses.end()) {
    ++known->count;
  } else {
    losses.push_back({row.type, answer.why, 1});
  }
}

/// An operator of the same name and type in the source, by its place in the report.
using Places = std::map<std::pair<std::string, std::string>, std::size_t>;

std::vector<Loss> list_losses(const RuntimeReport& source, const Places& places,
                              const RuntimeReport& written, std::size_t runtime) {
  std::vector<Loss> losses;
  for (const OperatorRuntimes& row : written.operators) {
    const RuntimeAnswer& answer = row.answers[runtime];
    if (answer.take == RuntimeTake::Takes) continue;
    const auto place = places.find({row.name, row.type});
    const bool was_taken =
        place == places.end() ||
        source.operators[place->second].answers[runtime].take == RuntimeTake::Takes;
    if (was_taken) add_loss(row, answer, losses);
  }
  return losses;
}

std::string describe(const std::vector<Loss>& losses) {
  constexpr std::size_t kShown = 2;
  std::string text;
  for (std::size_t i = 0; i < std::min(losses.size(), kShown); ++i) {
    const Loss& loss = losses[i];
    text += fmt::format("{}{} {} ({})", i == 0 ? "" : ", ", loss.count, loss.type, loss.why);
  }
  if (losses.size() > kShown) text += fmt::format(" and {} kinds more", losses.size() - kShown);
  return text;
}

}  // namespace

std::string describe_lost_paths(const RuntimeReport& source, const RuntimeReport& written) {
  Places places;
  for (std::size_t i = 0; i < source.operators.size(); ++i) {
    places.emplace(std::pair(source.operators[i].name, source.operators[i].type), i);
  }
  std::string text;
  for (std::size_t r = 0; r < std::min(source.runtimes.size(), written.runtimes.size()); ++r) {
    if (!source.runtimes[r].refused_because.empty()) continue;
    const std::vector<Loss> losses = list_losses(source, places, written, r);
    if (losses.empty()) continue;
    text += fmt::format("{}{} no longer takes {}", text.empty() ? "" : "; ", written.runtimes[r].id,
                        describe(losses));
  }
  if (text.empty()) return {};
  return fmt::format("leaves fast paths: {} (inspect --runtimes)", text);
}

}  // namespace visionpress
