#include "api/plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "api/open_input.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "codecs/decode.h"
#include "codecs/not_finite.h"
#include "codecs/weight_values.h"

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

bool matches_printed(std::string_view pattern, std::string_view name) {
  return matches_glob(pattern, name) || matches_glob(pattern, escape_unprintable(name));
}

/// A name as reports print it; of a layer that a converter fused of several
/// ("a/Relu;a/BiasAdd;a/Conv2D"), each part too.
bool is_name(std::string_view pattern, std::string_view name) {
  if (matches_printed(pattern, name)) return true;
  for (std::size_t at = 0; at < name.size() && name.find(';') != std::string_view::npos;) {
    const std::size_t end = std::min(name.find(';', at), name.size());
    if (end > at && matches_printed(pattern, name.substr(at, end - at))) return true;
    at = end + 1;
  }
  return false;
}

/// Whether the node reads the weight: its name, too, then stands for it (`inspect --layers`).
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

/// Which weights `--keep` names. errors: Usage for a name that fits nothing.
Result<std::vector<bool>> find_kept(const Graph& graph, const std::vector<std::string>& keep) {
  std::vector<bool> kept(graph.weights.size(), false);
  for (const std::string& name : keep) {
    bool found = false;
    const auto keep_weight = [&](std::size_t i) { kept[i] = found = true; };
    for (std::size_t i = 0; i < graph.weights.size(); ++i) {
      const Weight& weight = graph.weights[i];
      if (is_name(name, weight.layer) || is_name(name, weight.name)) keep_weight(i);
    }
    bool is_layer = false;
    for (const Node& node : graph.nodes) {
      if (!is_name(name, node.name)) continue;
      is_layer = true;
      for (std::size_t i = 0; i < graph.weights.size(); ++i) {
        if (is_reader(graph, node, i)) keep_weight(i);
      }
    }
    if (!found) return fail_unknown(graph, name, is_layer);
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

/// Smaller weights stay. What the user says goes; else the scheme's and the format's own.
std::size_t choose_min_elements(const Scheme& scheme, const FormatLimits& limits,
                                const CompressOptions& options) {
  if (options.min_elements) return *options.min_elements;
  if (!scheme.floating) return scheme.min_elements;
  return std::max(scheme.min_elements, limits.float16_least_elements);
}

/// A form that takes no less room than the present one gains nothing.
std::string why_no_gain(const SourceModel& model, std::size_t index, const Scheme& scheme,
                        const EncodeOptions& encode, const CompressOptions& options) {
  const FormatLimits limits = model.limits();
  // Half of a layer cannot stay in float32 because one vector of it is short.
  if (scheme.floating && limits.float16_by_layer) return {};
  const Weight& weight = model.graph().weights[index];
  const WeightCode code = scheme.outline(weight.stored.shape, encode);
  const std::uint64_t codes = count_elements(weight) * static_cast<std::size_t>(code.bits) / 8;
  const std::uint64_t steps = 4 * (code.scales.size() + code.offsets.size());
  const std::uint64_t after =
      codes + steps + model.estimate_overhead(index, code, rewrite_options(options));
  const std::uint64_t before = stored_bytes(weight.stored);
  if (after < before) return {};
  return fmt::format("in fewer bits it would take {} bytes, not {}", after, before);
}

/// The least SNR of 8 significant bits, whose rounding errs by at most 2^-8 of a value: halves
/// guarantee 66.2 dB (2^-11) as long as their values lie in 2^-14..65504. A weight that falls below
/// what half their length of codes could keep has lost its values to that range.
constexpr double kDecibelsPerBit = 6.020599913279624;  // 20 log10(2)
constexpr double kLeastHalfSnr = 8.0 * kDecibelsPerBit;

/// Why the values themselves do not fit the new form.
std::string why_values_stay(const Weight& weight, const Scheme& scheme, const FormatLimits& limits,
                            int threads) {
  if (const std::string odd = describe(count_not_finite(weight.stored)); !odd.empty()) {
    return "it holds values that are not finite: " + odd;
  }
  const auto floats = view_weight(weight.stored);
  if (!scheme.floating || !floats) return {};
  const EncodeError error = measure_halves(*floats, threads);
  if (error.saturated > 0) {
    return fmt::format("{} of its values {} beyond +-65504, the largest half", error.saturated,
                       error.saturated == 1 ? "lies" : "lie");
  }
  // A bias that underflows errs by 2^-25 at most, beside products of its kernel that err by more:
  // no reason to keep a whole layer in float32.
  if (limits.float16_by_layer && weight.role == WeightRole::Bias) return {};
  if (error.snr_db >= kLeastHalfSnr) return {};
  return fmt::format(
      "as halves it would keep an SNR of {:.1f} dB, less than {:.1f}: its values "
      "are too small for them",
      error.snr_db, kLeastHalfSnr);
}

void mark_depthwise(const Graph& graph, std::vector<PlannedWeight>& plan) {
  for (const Node& node : graph.nodes) {
    const auto* conv = std::get_if<Conv2d>(&node.op);
    if (conv == nullptr || conv->groups == 1 || node.inputs.size() < 2) continue;
    if (node.inputs[1] == kNoTensor) continue;
    if (const auto& weight = graph.tensor(node.inputs[1]).weight) plan[*weight].is_depthwise = true;
  }
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

/// Weights that share their bytes in the file change together or stay together: where one stays,
/// the others' new bytes would come on top of the old.
void keep_shared_together(const Graph& graph, std::vector<PlannedWeight>& plan) {
  std::map<const std::byte*, std::size_t> staying;  // payload -> a weight of it that stays
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (!plan[i].kept_because.empty()) staying.emplace(graph.weights[i].stored.payload.data(), i);
  }
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const auto found = staying.find(graph.weights[i].stored.payload.data());
    if (found == staying.end() || !plan[i].kept_because.empty()) continue;
    plan[i].kept_because =
        fmt::format("{} stays, which has the same bytes", graph.weights[found->second].name);
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

std::uint64_t count_bytes(const FilePieces& pieces) {
  std::uint64_t bytes = 0;
  for (const Bytes piece : pieces.pieces) bytes += piece.size();
  return bytes;
}

RewriteOptions rewrite_options(const CompressOptions& options) {
  return {.integer_form = options.integer_storage == IntegerStorage::WeightOnly
                              ? IntegerForm::WeightOnly
                              : IntegerForm::DynamicRange};
}

Result<std::optional<std::uint64_t>> measure_plan(const SourceModel& model, const Scheme& scheme,
                                                  const std::vector<PlannedWeight>& plan,
                                                  std::uint64_t source_bytes) {
  std::vector<EncodedWeight> outlines(plan.size());
  std::vector<WeightEdit> edits;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (!plan[i].kept_because.empty()) continue;
    const Weight& weight = model.graph().weights[i];
    outlines[i].shape = weight.stored.shape;
    outlines[i].code = scheme.outline(weight.stored.shape, plan[i].encode);
    outlines[i].codes.assign(
        count_elements(weight) * static_cast<std::size_t>(outlines[i].code.bits) / 8, std::byte{0});
    edits.push_back({i, &outlines[i]});
  }
  if (edits.empty()) return std::nullopt;
  VP_ASSIGN_OR_RETURN(const FilePieces file, model.rewrite(edits, {}));
  const std::uint64_t bytes = count_bytes(file);
  if (bytes >= source_bytes) return std::nullopt;
  return bytes;
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
  const std::size_t min_elements = choose_min_elements(scheme, limits, options);
  const int threads = options.threads > 0 ? options.threads : default_thread_count();
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
                      .per_channel = weight.role == WeightRole::Kernel && !weight.one_scale,
                      .threads = 1,
                      .error = nullptr};
    if (why.empty()) why = why_no_gain(model, i, scheme, plan[i].encode, options);
    if (why.empty()) why = why_values_stay(weight, scheme, limits, threads);
  }
  mark_depthwise(graph, plan);
  if (scheme.floating && limits.float16_by_layer) keep_layers_whole(graph, plan);
  keep_shared_together(graph, plan);
  return plan;
}

}  // namespace visionpress
