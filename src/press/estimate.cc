#include "press/estimate.h"

#include "base/error.h"
#include "press/plan.h"

namespace visionpress {

Result<FormEstimate> estimate_form(const SourceModel& model, const PressOptions& options,
                                   std::uint64_t source_bytes) {
  VP_ASSIGN_OR_RETURN(const Plan plan, make_plan(model, options));
  VP_ASSIGN_OR_RETURN(const auto bytes, measure_plan(model, plan, options.rewrite, source_bytes));
  if (!bytes) return FormEstimate{.bytes = source_bytes};
  return FormEstimate{.weights = plan.changed_count(), .bytes = *bytes};
}

}  // namespace visionpress
