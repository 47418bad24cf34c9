#include "eval/classification.h"

#include <algorithm>
#include <unordered_map>

#include "base/ascii.h"
#include "base/error.h"

namespace visionpress {
namespace {

std::string fold_name(const std::string& name) {
  const std::string folded = ascii_lower(name);
  const std::size_t first = folded.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  return folded.substr(first, folded.find_last_not_of(" \t\r\n") - first + 1);
}

std::string list_names(std::span<const std::string> names) {
  constexpr std::size_t kShown = 5;
  const std::size_t shown = std::min(names.size(), kShown);
  std::string text = fmt::format("{}", fmt::join(names.first(shown), ", "));
  if (names.size() > shown) text += fmt::format(", ... ({} in all)", names.size());
  return text;
}

}  // namespace

std::vector<TagScore> score_classes(const Dataset& dataset, std::span<const ClassSample> samples) {
  std::vector<TagScore> scores(dataset.tags.size());
  for (const ClassSample& sample : samples) {
    TagScore& truth = scores[static_cast<std::size_t>(sample.truth)];
    ++truth.truth;
    if (sample.predicted == sample.truth) ++truth.true_positives;
    if (sample.predicted >= 0) ++scores[static_cast<std::size_t>(sample.predicted)].predicted;
  }
  for (std::size_t t = 0; t < scores.size(); ++t) {
    TagScore& score = scores[t];
    score.tag = dataset.tags[t];
    const auto right = static_cast<double>(score.true_positives);
    if (score.predicted > 0) score.precision = right / static_cast<double>(score.predicted);
    if (score.truth > 0) score.recall = right / static_cast<double>(score.truth);
  }
  return scores;
}

std::optional<double> score_top1(std::span<const ClassSample> samples) {
  if (samples.empty()) return std::nullopt;
  const auto right = std::ranges::count_if(
      samples, [](const ClassSample& sample) { return sample.predicted == sample.truth; });
  return static_cast<double>(right) / static_cast<double>(samples.size());
}

DrawScores draw_top1(std::span<const ClassSample> samples, const Draws& draws) {
  DrawnShare share;
  for (const ClassSample& sample : samples) {
    share.add(draws.weights[sample.image], sample.predicted == sample.truth);
  }
  return share.scores();
}

int find_top1(std::span<const float> values) {
  int best = -1;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != values[i]) continue;
    if (best < 0 || values[i] > values[static_cast<std::size_t>(best)]) best = static_cast<int>(i);
  }
  return best;
}

Result<std::vector<int>> map_labels(std::span<const std::string> labels, const Dataset& dataset,
                                    Diagnostics& diagnostics) {
  std::unordered_map<std::string, int> tags;
  std::unordered_map<std::string, int> exact;
  for (std::size_t t = 0; t < dataset.tags.size(); ++t) {
    tags.emplace(fold_name(dataset.tags[t]), static_cast<int>(t));
    exact.emplace(dataset.tags[t], static_cast<int>(t));
  }
  std::vector<int> mapped;
  std::vector<bool> used(dataset.tags.size());
  for (const std::string& label : labels) {
    // Tags that differ in case alone: the one that is spelled as the label.
    const auto spelled = exact.find(label);
    const auto folded = tags.find(fold_name(label));
    const int other = folded == tags.end() ? -1 : folded->second;
    const int tag = spelled == exact.end() ? other : spelled->second;
    mapped.push_back(tag);
    if (tag >= 0) used[static_cast<std::size_t>(tag)] = true;
  }
  if (std::ranges::none_of(mapped, [](int tag) { return tag >= 0; })) {
    return fail(ErrorKind::Malformed, "no label of the model ({}) is a tag of the data set ({})",
                list_names(labels), list_names(dataset.tags));
  }
  std::vector<std::string> unused;
  for (std::size_t t = 0; t < used.size(); ++t) {
    if (!used[t]) unused.push_back(dataset.tags[t]);
  }
  if (unused.size() == 1) {
    diagnostics.warn(
        fmt::format("tag \"{}\" of the data set is not a label of the model", unused.front()));
  } else if (!unused.empty()) {
    diagnostics.warn(fmt::format("{} tags of the data set are not labels of the model: {}",
                                 unused.size(), list_names(unused)));
  }
  return mapped;
}

}  // namespace visionpress
