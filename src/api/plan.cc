#include "api/plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "api/open_model.h"
#include "base/error.h"

namespace visionpress {
namespace {

std::size_t count_elements(const Weight& weight) {
  return static_cast<std::size_t>(element_count(weight.stored.shape).value_or(0));
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

/// Which weights `--keep` names. errors: Usage for a name that fits nothing.
Result<std::vector<bool>> find_kept(const Graph& graph, const std::vector<std::string>& keep) {
  std::vector<bool> kept(graph.weights.size(), false);
  for (const std::string& name : keep) {
    bool found = false;
    for (std::size_t i = 0; i < graph.weights.size(); ++i) {
      const Weight& weight = graph.weights[i];
      if (matches_glob(name, weight.layer) || matches_glob(name, weight.name)) {
        kept[i] = true;
        found = true;
      }
    }
    if (found) continue;
    std::set<std::string> names;
    for (const Weight& weight : graph.weights) names.insert(weight.layer);
    const auto near = find_nearest(name, {names.begin(), names.end()}, 3);
    return fail(ErrorKind::Usage, "no layer \"{}\" to keep{}", name,
                near.empty()
                    ? fmt::format("; `visionpress inspect --layers` lists all {}", names.size())
                    : fmt::format("; near: {}", fmt::join(near, ", ")));
  }
  return kept;
}

/// Layer groups of the first and the last kernel.
std::set<std::size_t> find_first_last(const Graph& graph) {
  std::vector<std::size_t> kernels;
  for (const Weight& weight : graph.weights) {
    if (weight.role == WeightRole::Kernel) kernels.push_back(weight.layer_group);
  }
  if (kernels.empty()) return {};
  return {kernels.front(), kernels.back()};
}

std::string why_already_small(const WeightCode& code, const Scheme& scheme) {
  const bool is_codes = code.encoding == Encoding::Linear || code.encoding == Encoding::Table;
  if (is_codes) return fmt::format("already {}", describe(code));
  if (code.bits <= scheme.bits) return fmt::format("already {}", describe(code));
  return {};
}

/// Why an integer scheme leaves a weight alone, whatever else holds.
std::string why_not_integer(const Weight& weight, const FormatLimits& limits,
                            const CompressOptions& options) {
  if (weight.role == WeightRole::Kernel) return {};
  if (weight.role == WeightRole::Constant) return "a constant, not a kernel";
  if (options.quantize_biases) {
    // A scale an element would be larger than the element; one scale is what such a format can
    // hold.
    return limits.linear_needs_symmetric ? "the format holds only float biases" : "";
  }
  return weight.role == WeightRole::Bias ? "a bias" : "a vector";
}

/// In formats where a layer's weights change type together, one that stays keeps its whole layer.
void keep_layers_whole(const Graph& graph, std::vector<PlannedWeight>& plan) {
  std::map<std::size_t, std::size_t> staying;  // layer group -> a weight of it that stays
  for (std::size_t i = 0; i < plan.size(); ++i) {
    // A weight that is half already agrees with the halves to come.
    const bool agrees = graph.weights[i].stored.code.encoding == Encoding::Float16;
    if (!plan[i].kept_because.empty() && !agrees) staying.emplace(graph.weights[i].layer_group, i);
  }
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const auto found = staying.find(graph.weights[i].layer_group);
    if (found == staying.end() || !plan[i].kept_because.empty()) continue;
    plan[i].kept_because = fmt::format("its layer's {} stays", graph.weights[found->second].name);
  }
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    // The text's own characters come first: a layer may be named with a star.
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::vector<std::string> find_nearest(std::string_view name, const std::vector<std::string>& names,
                                      std::size_t count) {
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const std::string& candidate : names) {
    const bool contains = candidate.find(name) != std::string::npos;
    const std::size_t distance = contains ? 1 : edit_distance(name, candidate);
    if (contains || distance <= std::max<std::size_t>(2, name.size() / 2)) {
      ranked.emplace_back(distance, candidate);
    }
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> nearest;
  for (const auto& [distance, candidate] : ranked) {
    if (nearest.size() < count) nearest.push_back(candidate);
  }
  return nearest;
}

Result<std::vector<PlannedWeight>> make_plan(const SourceModel& model, const Scheme& scheme,
                                             const CompressOptions& options) {
  const Graph& graph = model.graph();
  const FormatLimits limits = model.limits();
  VP_ASSIGN_OR_RETURN(const std::vector<bool> kept, find_kept(graph, options.keep));
  const std::set<std::size_t> ends =
      options.keep_first_last ? find_first_last(graph) : std::set<std::size_t>();
  const std::size_t min_elements = options.min_elements.value_or(scheme.min_elements);
  std::vector<PlannedWeight> plan(graph.weights.size());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const Weight& weight = graph.weights[i];
    std::string& why = plan[i].kept_because;
    why = why_already_small(weight.stored.code, scheme);
    plan[i].is_small_already = !why.empty();
    if (why.empty()) why = weight.fixed_because;
    if (why.empty() && kept[i]) why = "kept as asked";
    if (why.empty() && ends.contains(weight.layer_group)) why = "first or last layer";
    if (why.empty() && !scheme.floating) why = why_not_integer(weight, limits, options);
    const bool whole_layers = scheme.floating && limits.float16_by_layer;
    const bool small_enough_to_stay =
        count_elements(weight) < min_elements && !whole_layers &&
        !(options.quantize_biases && weight.role != WeightRole::Kernel);
    if (why.empty() && count_elements(weight) == 0) why = "it is empty";
    if (why.empty() && small_enough_to_stay)
      why = fmt::format("fewer than {} elements", min_elements);
    plan[i].encode = {.channel_axis = weight.channel_axis,
                      .symmetric = limits.linear_needs_symmetric,
                      .per_channel = weight.role == WeightRole::Kernel,
                      .threads = 1,
                      .error = nullptr};
  }
  if (scheme.floating && limits.float16_by_layer) keep_layers_whole(graph, plan);
  return plan;
}

}  // namespace visionpress
