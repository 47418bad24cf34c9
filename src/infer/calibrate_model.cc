#include "infer/calibrate_model.h"

#include "base/error.h"
#include "calibrate/calibrate.h"

namespace visionpress {

Result<CalibrationSummary> calibrate_plan(const ModelRunner& runner, const CalibrationSet& set,
                                          const CalibrationOptions& options,
                                          const PressOptions& press, Plan& plan,
                                          std::vector<std::string>& warnings) {
  const Graph& graph = runner.model.graph();
  CalibrateOptions calibrate_options;
  calibrate_options.noise_budget = options.noise_budget;
  calibrate_options.seed = options.seed;
  calibrate_options.progress = options.progress;
  VP_ASSIGN_OR_RETURN(const std::vector<CalibratedWeight> rows,
                      calibrate(*runner.model.source, set.inputs, press, calibrate_options, plan));
  CalibrationSummary summary;
  summary.pictures = set.paths.size();
  summary.views = set.inputs.views;
  for (const CalibratedWeight& row : rows) {
    if (row.not_because.empty()) {
      if (summary.layers++ == 0 || row.snr_db < summary.worst_snr_db) {
        summary.worst_snr_db = row.snr_db;
        summary.worst_layer = graph.weights[row.weight].layer;
      }
      continue;
    }
    warnings.push_back(fmt::format("{} is rounded without the pictures: {}",
                                   graph.weights[row.weight].layer, row.not_because));
  }
  if (rows.empty()) {
    warnings.emplace_back("no kernel is rounded by the pictures: --calibrate has no effect");
  }
  return summary;
}

}  // namespace visionpress
