#include "press/layer_names.h"

#include <algorithm>
#include <set>

#include "base/edit_distance.h"
#include "base/error.h"
#include "base/printable.h"

namespace visionpress {
namespace {

bool matches_printed(std::string_view pattern, std::string_view name) {
  return matches_glob(pattern, name) || matches_glob(pattern, escape_unprintable(name));
}

/// Whether the pattern matches a name as reports print it, or one part of the name of a layer that
/// a converter fused from several ("a/Relu;a/BiasAdd;a/Conv2D").
bool is_name(std::string_view pattern, std::string_view name) {
  if (matches_printed(pattern, name)) return true;
  for (std::size_t at = 0; at < name.size() && name.find(';') != std::string_view::npos;) {
    const std::size_t end = std::min(name.find(';', at), name.size());
    if (end > at && matches_printed(pattern, name.substr(at, end - at))) return true;
    at = end + 1;
  }
  return false;
}

/// Whether the node reads the weight. The node's name, which `inspect --layers` shows, then stands
/// for the weight too.
bool is_reader(const Graph& graph, const Node& node, std::size_t weight) {
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](TensorId id) {
    return id != kNoTensor && graph.tensor(id).weight == weight;
  });
}

/// errors: Usage for a name that fits no weight, no layer, or a layer without weights.
tl::unexpected<Error> fail_unknown(const Graph& graph, const std::string& name, bool is_layer) {
  if (is_layer) {
    return fail(ErrorKind::Usage, "layer \"{}\" has no weights, so there is nothing to keep", name);
  }
  std::set<std::string> names;
  for (const Weight& weight : graph.weights) {
    names.insert(weight.layer);
    names.insert(weight.name);
  }
  const auto near = find_nearest(name, {names.begin(), names.end()}, 3);
  return fail(ErrorKind::Usage, "no layer \"{}\" to keep{}", name,
              near.empty() ? fmt::format("; `visionpress inspect --layers` lists all {}",
                                         count_layers(graph))
                           : fmt::format("; near: {}", fmt::join(near, ", ")));
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    // A star in the pattern is a wildcard even opposite a star: a layer's name may contain one.
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

Result<std::vector<bool>> find_named_weights(const Graph& graph,
                                             const std::vector<std::string>& names) {
  std::vector<bool> chosen(graph.weights.size(), false);
  for (const std::string& name : names) {
    bool found = false;
    const auto choose = [&](std::size_t i) { chosen[i] = found = true; };
    for (std::size_t i = 0; i < graph.weights.size(); ++i) {
      const Weight& weight = graph.weights[i];
      if (is_name(name, weight.layer) || is_name(name, weight.name)) choose(i);
    }
    bool is_layer = false;
    for (const Node& node : graph.nodes) {
      if (!is_name(name, node.name)) continue;
      is_layer = true;
      for (std::size_t i = 0; i < graph.weights.size(); ++i) {
        if (is_reader(graph, node, i)) choose(i);
      }
    }
    if (!found) return fail_unknown(graph, name, is_layer);
  }
  return chosen;
}

}  // namespace visionpress
