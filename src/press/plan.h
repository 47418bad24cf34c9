#pragma once

// The plan: what becomes of each weight. Commands, calibration and search exchange it.
//
//   VP_ASSIGN_OR_RETURN(Plan plan, make_plan(model, {.form = *parse_form("linear-8")}));
//   CodeStore store(model.graph(), {.threads = threads});
//   VP_ASSIGN_OR_RETURN(std::vector<PressedWeight> pressed, encode_plan(plan, store));

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/form.h"
#include "model/source_model.h"
#include "press/press_options.h"
#include "visionpress/result.h"

namespace visionpress {

/// One weight: kept for a reason, to be encoded to a form, or to be replaced by finished codes.
struct PlannedWeight {
  std::string kept_because = {};  ///< not empty: it stays as it is
  /// Kept because it is stored in as few bits as asked, or in codes.
  bool is_small_already = false;
  Form form = {};  ///< the file's own, of SourceModel::adapt
  /// Not null: codes that were made elsewhere (by a calibrator), written as they are.
  std::shared_ptr<const EncodedWeight> finished = nullptr;

  [[nodiscard]] bool is_kept() const { return !kept_because.empty(); }
};

struct Plan {
  std::vector<PlannedWeight> weights = {};  ///< one entry per weight of the graph

  [[nodiscard]] std::size_t changed_count() const;
};

/// Plans one form for the whole model. Reads the values: some do not fit a form. Every weight that
/// the file cannot hold in the form, by SourceModel::why_not, stays: nothing of it is encoded.
/// errors: of SourceModel::check_rewritable; Usage when a name to keep matches no layer and no
/// weight, with the nearest names.
[[nodiscard]] Result<Plan> make_plan(const SourceModel& model, const PressOptions& options);

/// What make_plan decides for one weight by itself and a wish of its own. A plan of several forms
/// is made of these, then keep_together. options: but for `form` and the names to keep.
[[nodiscard]] PlannedWeight plan_weight(const SourceModel& model, std::size_t index,
                                        const Form& wish, const PressOptions& options);

/// Keeps what must not change without its neighbours: the other weights of a layer that changes as
/// a whole or not at all (FormRules), and those that share their bytes in the file with one that
/// stays.
void keep_together(const SourceModel& model, Plan& plan);

/// Replaces what is planned for weight `index` by codes that are written as they are.
/// errors: InvalidArgument where they are not codes of the weight's shape, or the file cannot hold
/// their form (SourceModel::why_not).
[[nodiscard]] Result<void> plan_finished(const SourceModel& model, std::size_t index,
                                         std::shared_ptr<const EncodedWeight> codes,
                                         const RewriteOptions& rewrite, Plan& plan);

/// The size of the file that the plan gives, by the format's own writer and without encoding;
/// nothing where the file stays as it is: where no weight is to change, or it would not shrink.
/// errors: of the writer.
[[nodiscard]] Result<std::optional<std::uint64_t>> measure_plan(const SourceModel& model,
                                                                const Plan& plan,
                                                                const RewriteOptions& rewrite,
                                                                std::uint64_t source_bytes);

}  // namespace visionpress
