#include "visionpress/sensitivity.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "infer/calibration_pictures.h"
#include "infer/measure_model.h"
#include "infer/model_runner.h"
#include "infer/open_input.h"

namespace visionpress {

Result<SensitivityResult> measure_sensitivity(const SensitivityOptions& options) {
  const CalibrationOptions& calibration = options.calibration;
  if (calibration.images.empty()) return fail(ErrorKind::Usage, "no pictures to measure on");
  if (options.threads < 0) {
    return fail(ErrorKind::InvalidArgument, "threads is {}, expected 0 or more", options.threads);
  }
  if (options.shard.index < 1 || options.shard.index > options.shard.count) {
    return fail(ErrorKind::InvalidArgument, "shard {} of {}, expected 1 to {}", options.shard.index,
                options.shard.count, options.shard.count);
  }
  PressOptions press;
  press.threads = options.threads > 0 ? options.threads : default_thread_count();
  VP_ASSIGN_OR_RETURN(const std::vector<FormWish> forms,
                      choose_sensitivity_forms(options.forms.empty() ? default_sensitivity_forms()
                                                                     : options.forms));
  VP_ASSIGN_OR_RETURN(OpenedModel opened,
                      open_input(options.input, read_options(calibration.preprocess)));
  VP_ASSIGN_OR_RETURN(const ModelRunner runner,
                      ModelRunner::create(std::move(opened), {.preprocess = calibration.preprocess,
                                                              .threads = press.threads}));
  const Graph& graph = runner.model.graph();
  VP_ASSIGN_OR_RETURN(SensitivityResult result, describe_model(runner, options.input));
  result.seed = calibration.seed;
  result.shard = options.shard;
  VP_ASSIGN_OR_RETURN(std::vector<std::string> paths, list_calibration_pictures(calibration));
  VP_ASSIGN_OR_RETURN(
      const CalibrationSet set,
      load_calibration(runner, std::move(paths), calibration, press.threads, result.warnings));
  result.pictures = set.paths.size();
  result.views = set.inputs.views;
  result.compared = choose_measuring(set.inputs, options.compared).compared.size();
  const auto found = measure_weights(*runner.model.source, set.inputs, press,
                                     {.forms = forms,
                                      .compared = options.compared,
                                      .seed = calibration.seed,
                                      .shard = options.shard,
                                      .progress = calibration.progress});
  if (!found) return in_file(found.error(), options.input);
  result.weights = describe_weights(graph, *found);
  if (result.weights.empty() && options.shard.count == 1) {
    result.warnings.emplace_back("no weight of this file can take one of these forms");
  }
  return result;
}

}  // namespace visionpress
