#include "press/estimate.h"

#include "base/error.h"
#include "press/plan.h"

namespace visionpress {

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

}  // namespace visionpress
