#include "visionpress/fit.h"

#include "base/error.h"
#include "eval/dataset.h"
#include "infer/evaluation.h"
#include "infer/fit_model.h"
#include "visionpress/version.h"

namespace visionpress {
namespace {

Result<void> check_limits(const FitLimits& limits) {
  if (!limits.max_size && !limits.max_download && !limits.max_drop && !limits.min_agreement) {
    return fail(
        ErrorKind::Usage,
        "no limit to fit to: give --max-size, --max-download, --max-drop or --min-agreement");
  }
  if (limits.max_size && limits.max_download) {
    return fail(ErrorKind::Usage, "--max-size and --max-download are both given; give one of them");
  }
  return {};
}

Result<void> check(const FitOptions& options) {
  VP_RETURN_IF_ERROR(check_limits(options.limits));
  if (options.evaluate.data.empty()) return fail(ErrorKind::Usage, "no data set to measure on");
  if (options.most_candidates == 0) {
    return fail(ErrorKind::Usage, "0 candidates, expected 1 or more");
  }
  return check_numbers(options.evaluate);
}

}  // namespace

Result<FitResult> fit(const FitOptions& options, const Progress& progress) {
  FitOptions used = options;
  used.evaluate.unlabelled = used.evaluate.unlabelled || holds_pictures_alone(used.evaluate.data);
  used.evaluate.max_drop = used.limits.max_drop;
  used.evaluate.min_agreement = used.limits.min_agreement;
  VP_RETURN_IF_ERROR(check(used));
  if (options.threads < 0) {
    return fail(ErrorKind::InvalidArgument, "threads is {}, expected 0 or more", options.threads);
  }
  return fit_model(used, version(), progress);
}

}  // namespace visionpress
