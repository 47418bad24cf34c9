#include "press/estimate.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "model/bit_packing.h"
#include "package/download_size.h"
#include "press/plan.h"

namespace visionpress {
namespace {

std::uint64_t count_distinct(std::vector<float> values) {
  std::ranges::sort(values);
  return static_cast<std::uint64_t>(std::unique(values.begin(), values.end()) - values.begin());
}

}  // namespace

bool can_hold(const SourceModel& model, const PressOptions& options) {
  for (std::size_t i = 0; i < model.graph().weights.size(); ++i) {
    const Form form = model.adapt(i, options.form);
    if (model.why_not(i, form, options.rewrite).empty()) return true;
  }
  return false;
}

Result<FormEstimate> estimate_form(const SourceModel& model, const PressOptions& options,
                                   std::uint64_t source_bytes) {
  VP_ASSIGN_OR_RETURN(const Plan plan, make_plan(model, options));
  VP_ASSIGN_OR_RETURN(const auto bytes, measure_plan(model, plan, options.rewrite, source_bytes));
  if (!bytes) return FormEstimate{.bytes = source_bytes};
  return FormEstimate{.weights = plan.changed_count(), .bytes = *bytes};
}

std::uint64_t estimate_download(const EncodedWeight& codes, int stored_bits) {
  const WeightCode& code = codes.code;
  const std::uint64_t values =
      count_distinct(code.scales) + count_distinct(code.offsets) + count_distinct(code.table);
  const std::uint64_t beside = values * sizeof(float);
  if (stored_bits == 8) return beside + estimate_download_bytes(codes.codes);
  return beside + estimate_download_bytes(pack_codes(codes.codes, stored_bits, Packing::MsbFirst));
}

}  // namespace visionpress
