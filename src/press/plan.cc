#include "press/plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "codecs/decode.h"
#include "codecs/family.h"
#include "codecs/fp16.h"
#include "codecs/not_finite.h"
#include "press/layer_names.h"
#include "press/press.h"
#include "press/sensitive_kernels.h"

namespace visionpress {
namespace {

std::size_t count_elements(const Weight& weight) {
  return static_cast<std::size_t>(element_count(weight.stored.shape).value_or(0));
}

bool is_floating(const Form& form) {
  return form.encoding == Encoding::Float32 || form.encoding == Encoding::Float16;
}

/// The layer groups of the first and the last kernel.
std::set<std::size_t> find_first_last(const Graph& graph) {
  std::vector<std::size_t> kernels;
  for (const Weight& weight : graph.weights) {
    if (weight.role == WeightRole::Kernel) kernels.push_back(weight.layer_group);
  }
  if (kernels.empty()) return {};
  return {kernels.front(), kernels.back()};
}

std::string why_already_small(const WeightCode& code, const Form& form) {
  const bool is_codes = code.encoding == Encoding::Linear || code.encoding == Encoding::Table;
  if (is_codes || code.bits <= form.bits) return fmt::format("already {}", describe(code));
  return {};
}

/// Why integer codes leave a weight alone: it has few values, or they matter most.
std::string why_not_integer(const Weight& weight, const PressOptions& options) {
  switch (weight.role) {
    case WeightRole::Kernel:
      return {};
    case WeightRole::Constant:
      return "a constant, not a kernel";
    case WeightRole::Bias:
      return options.quantize_biases ? "" : "a bias";
    case WeightRole::Vector:
      return options.quantize_biases ? "" : "a vector";
  }
  return {};
}

/// The number of elements below which a weight stays: the user's, else the larger of the family's
/// and the format's.
std::size_t choose_min_elements(const Form& form, const FormRules& rules,
                                const PressOptions& options) {
  if (options.min_elements) return *options.min_elements;
  const Family* family = find_family(form);
  return std::max(family == nullptr ? 0 : family->min_elements, rules.least_elements);
}

std::string why_too_small(const Weight& weight, const Form& form, const FormRules& rules,
                          const PressOptions& options) {
  const std::size_t count = count_elements(weight);
  if (count == 0) return "it is empty";
  // Half of a layer cannot stay in float32 because one of its vectors is short, and a user who asks
  // for biases does not mean only the long ones.
  const bool is_asked_for = options.quantize_biases && weight.role != WeightRole::Kernel;
  if (rules.whole_layers || is_asked_for) return {};
  const std::size_t min_elements = choose_min_elements(form, rules, options);
  return count < min_elements ? fmt::format("fewer than {} elements", min_elements) : "";
}

/// Bits of a code in the file. Some files hold codes of few bits as whole bytes.
int count_stored_bits(const SourceModel& model, std::size_t index, const Form& form,
                      const RewriteOptions& rewrite) {
  const Weight& weight = model.graph().weights[index];
  const auto code = outline_code(weight.stored.shape, form, weight.channel_axis);
  return code ? model.stored_code(index, *code, rewrite).bits : form.bits;
}

/// Why the form gains nothing: it takes no less space than the present one.
std::string why_no_gain(const SourceModel& model, std::size_t index, const PlannedWeight& planned,
                        const PressOptions& options) {
  const Weight& weight = model.graph().weights[index];
  const auto after = count_planned_bytes(model, index, planned, options.rewrite);
  if (!after) return fmt::format("{} has no size for it", name_of(planned.form));
  const std::uint64_t before = stored_bytes(weight.stored);
  if (*after < before) return {};
  return fmt::format("in fewer bits it would take {} bytes, not {}", *after, before);
}

/// The SNR that 8 significant bits guarantee: their rounding error is at most 2^-8 of a value.
/// Halves guarantee 66.2 dB (2^-11) while the values lie in 2^-14..65504. A weight in halves below
/// the SNR of 8 bits has lost its values to that range.
constexpr double kDecibelsPerBit = 6.020599913279624;  // 20 log10(2)
constexpr double kLeastHalfSnr = 8.0 * kDecibelsPerBit;

/// Why the values themselves do not fit the new form.
std::string why_values_stay(const Weight& weight, const Form& form, const FormRules& rules,
                            int threads) {
  if (const std::string odd = describe(count_not_finite(weight.stored, threads)); !odd.empty()) {
    return "it holds values that are not finite: " + odd;
  }
  const auto floats = view_weight(weight.stored);
  if (form.encoding != Encoding::Float16 || !floats) return {};
  const EncodeError error = measure_halves(*floats, threads);
  if (error.saturated > 0) {
    return fmt::format("{} of its values {} beyond +-65504, the largest half", error.saturated,
                       error.saturated == 1 ? "lies" : "lie");
  }
  // A bias that underflows has an error of at most 2^-25, and the products it is added to have a
  // larger one. That is not a reason to keep a whole layer in float32.
  if (rules.whole_layers && weight.role == WeightRole::Bias) return {};
  if (error.snr_db >= kLeastHalfSnr) return {};
  return fmt::format(
      "as halves it would keep an SNR of {:.1f} dB, less than {:.1f}: its values "
      "are too small for them",
      error.snr_db, kLeastHalfSnr);
}

/// In formats where a layer's weights change type together, one that stays keeps its whole layer.
void keep_layers_whole(const SourceModel& model, Plan& plan) {
  const std::vector<Weight>& weights = model.graph().weights;
  std::map<std::size_t, std::size_t> staying;  // layer group -> a weight of it that stays
  for (std::size_t i = 0; i < weights.size(); ++i) {
    // A weight that is half already agrees with the halves to come.
    const bool agrees = weights[i].stored.code.encoding == Encoding::Float16;
    if (plan.weights[i].is_kept() && !agrees) staying.emplace(weights[i].layer_group, i);
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    PlannedWeight& planned = plan.weights[i];
    const auto found = staying.find(weights[i].layer_group);
    if (found == staying.end() || planned.is_kept()) continue;
    if (!model.rules(planned.form).whole_layers) continue;
    planned.kept_because = fmt::format("its layer's {} stays", weights[found->second].name);
  }
}

/// If one of several weights that share bytes stays, new bytes for the others would be added to the
/// old ones.
void keep_shared_together(const Graph& graph, Plan& plan) {
  std::map<const std::byte*, std::size_t> staying;  // payload -> a weight of it that stays
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    if (plan.weights[i].is_kept()) staying.emplace(graph.weights[i].stored.payload.data(), i);
  }
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    const auto found = staying.find(graph.weights[i].stored.payload.data());
    if (found == staying.end() || plan.weights[i].is_kept()) continue;
    plan.weights[i].kept_because =
        fmt::format("{} stays, which has the same bytes", graph.weights[found->second].name);
  }
}

/// An edit as large as the planned one will be, with placeholder values. returns: nothing for a
/// form without a code.
std::optional<EncodedWeight> outline_weight(const Weight& weight, const Form& form) {
  const auto code = outline_code(weight.stored.shape, form, weight.channel_axis);
  if (!code) return std::nullopt;
  const std::size_t width = std::max<std::size_t>(static_cast<std::size_t>(form.bits) / 8, 1);
  return EncodedWeight{.shape = weight.stored.shape,
                       .code = *code,
                       .codes = ByteBuffer(count_elements(weight) * width, std::byte{0})};
}

}  // namespace

std::size_t Plan::changed_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      weights, [](const PlannedWeight& weight) { return !weight.is_kept(); }));
}

PlannedWeight plan_weight(const SourceModel& model, std::size_t index, const Form& wish,
                          const PressOptions& options) {
  const Weight& weight = model.graph().weights[index];
  PlannedWeight planned;
  Form adapted = wish;
  // A scale for every element of a vector would be larger than the element.
  if (weight.role != WeightRole::Kernel && wish.encoding == Encoding::Linear) {
    adapted.granularity = Granularity::Tensor;
    adapted.block = 0;
  }
  planned.form = model.adapt(index, adapted);
  const Form& form = planned.form;
  planned.stored_bits = count_stored_bits(model, index, form, options.rewrite);
  const FormRules rules = model.rules(form);
  std::string& why = planned.kept_because;
  why = why_already_small(weight.stored.code, form);
  planned.is_small_already = !why.empty();
  if (why.empty()) why = weight.fixed_because;
  if (why.empty() && !is_floating(form)) why = why_not_integer(weight, options);
  if (why.empty()) why = why_too_small(weight, form, rules, options);
  if (why.empty()) why = model.why_not(index, form, options.rewrite);
  // A layer that changes as a whole changes for its kernel's sake, so its other weights need no
  // gain.
  if (why.empty() && !rules.whole_layers) why = why_no_gain(model, index, planned, options);
  if (why.empty()) why = why_values_stay(weight, form, rules, options.threads);
  return planned;
}

std::optional<std::uint64_t> count_planned_bytes(const SourceModel& model, std::size_t index,
                                                 const PlannedWeight& planned,
                                                 const RewriteOptions& rewrite) {
  const Weight& weight = model.graph().weights[index];
  const Shape& shape = weight.stored.shape;
  Form form = planned.form;
  const auto code = outline_code(shape, form, weight.channel_axis);
  form.bits = planned.stored_bits;
  const auto bytes = stored_bytes(shape, form, weight.channel_axis);
  if (!code || !bytes) return std::nullopt;
  return *bytes + model.estimate_overhead(index, *code, rewrite);
}

void keep_together(const SourceModel& model, Plan& plan) {
  keep_layers_whole(model, plan);
  keep_shared_together(model.graph(), plan);
}

Result<Plan> make_plan(const SourceModel& model, const PressOptions& options) {
  VP_RETURN_IF_ERROR(model.check_rewritable());
  const Graph& graph = model.graph();
  VP_ASSIGN_OR_RETURN(const std::vector<bool> named, find_named_weights(graph, options.keep));
  const std::set<std::size_t> ends =
      options.keep_first_last ? find_first_last(graph) : std::set<std::size_t>();
  const bool widens = options.keep_sensitive && widen_form(options.form) != options.form;
  const std::vector<std::string> sensitive =
      widens ? find_sensitive_kernels(graph) : std::vector<std::string>(graph.weights.size());
  Plan plan;
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    const bool is_wider = !sensitive[i].empty();
    PlannedWeight planned =
        plan_weight(model, i, is_wider ? widen_form(options.form) : options.form, options);
    // A reason that lies in the file takes precedence.
    const bool is_free = !planned.is_small_already && graph.weights[i].fixed_because.empty();
    if (is_free && ends.contains(graph.weights[i].layer_group))
      planned.kept_because = "first or last layer";
    if (is_free && named[i]) planned.kept_because = "kept as asked";
    if (is_wider && !planned.is_kept()) planned.wider_because = sensitive[i];
    plan.weights.push_back(std::move(planned));
  }
  keep_together(model, plan);
  return plan;
}

Result<void> plan_finished(const SourceModel& model, std::size_t index,
                           std::shared_ptr<const EncodedWeight> codes,
                           const RewriteOptions& rewrite, Plan& plan) {
  const Weight& weight = model.graph().weights[index];
  if (codes->shape != weight.stored.shape) {
    return fail(ErrorKind::InvalidArgument, "{}: codes of shape {}, expected {}", weight.path,
                to_string(codes->shape), to_string(weight.stored.shape));
  }
  if (auto fits = check_weight(codes->view()); !fits) {
    return fail(ErrorKind::InvalidArgument, "{}: {}", weight.path, fits.error().message);
  }
  const Form form = form_of(codes->code);
  if (const std::string why = model.why_not(index, form, rewrite); !why.empty()) {
    return fail(ErrorKind::InvalidArgument, "{} cannot be {}: {}", weight.path, name_of(form), why);
  }
  PlannedWeight& planned = plan.weights[index];
  planned.kept_because.clear();
  planned.is_small_already = false;
  planned.form = form;
  planned.stored_bits = count_stored_bits(model, index, form, rewrite);
  planned.finished = std::move(codes);
  return {};
}

Result<std::optional<std::uint64_t>> measure_plan(const SourceModel& model, const Plan& plan,
                                                  const RewriteOptions& rewrite,
                                                  std::uint64_t source_bytes) {
  // Edits borrow the outlines, so this vector never grows.
  std::vector<EncodedWeight> outlines(plan.weights.size());
  std::vector<WeightEdit> edits;
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    const PlannedWeight& planned = plan.weights[i];
    if (planned.is_kept()) continue;
    if (planned.finished) {
      edits.push_back({i, planned.finished.get()});
      continue;
    }
    auto outline = outline_weight(model.graph().weights[i], planned.form);
    if (!outline) {
      return fail(ErrorKind::Internal, "{}: {} has no code", model.graph().weights[i].path,
                  name_of(planned.form));
    }
    outlines[i] = std::move(*outline);
    edits.push_back({i, &outlines[i]});
  }
  if (edits.empty()) return std::nullopt;
  VP_ASSIGN_OR_RETURN(const FilePieces file, model.rewrite(edits, rewrite));
  const std::uint64_t bytes = count_bytes(file);
  if (bytes >= source_bytes) return std::nullopt;
  return bytes;
}

}  // namespace visionpress
