#pragma once

// The plan says what happens to each weight. Commands, calibration and search exchange plans.
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
  /// Kept because it is already stored in the requested number of bits or fewer, or in codes.
  bool is_small_already = false;
  Form form = {};  ///< the file's form, from SourceModel::adapt
  /// Bits that the file takes for each code: form.bits, or more where it has no shorter codes.
  int stored_bits = 0;
  /// Of FormWish: what calibration may trade for a smaller download.
  double noise = 0.0;
  /// Not null: codes that were made elsewhere (by a calibrator) and are written unchanged.
  std::shared_ptr<const EncodedWeight> finished = nullptr;

  /// Not empty: it gets 8 bits where fewer were asked for, and why.
  std::string wider_because = {};

  [[nodiscard]] bool is_kept() const { return !kept_because.empty(); }
};

struct Plan {
  std::vector<PlannedWeight> weights = {};  ///< one entry per weight of the graph

  [[nodiscard]] std::size_t changed_count() const;
};

/// Plans one form for the whole model. Reads the values, since some do not fit a form. A weight
/// that the file cannot hold in the form (SourceModel::why_not) stays and is never encoded. errors:
/// of SourceModel::check_rewritable; Usage when a name to keep matches no layer and no weight, with
/// the nearest names.
[[nodiscard]] Result<Plan> make_plan(const SourceModel& model, const PressOptions& options);

/// Decides like make_plan, for one weight alone and with its own wish. For a plan of several forms,
/// call this for each weight, then keep_together. options: `form`, `keep` and `keep_first_last` are
/// ignored.
[[nodiscard]] PlannedWeight plan_weight(const SourceModel& model, std::size_t index,
                                        const Form& wish, const PressOptions& options);

/// Bytes of the weight in its planned form, with its scales or table and what the file needs around
/// them. returns: nothing for a form without a code.
[[nodiscard]] std::optional<std::uint64_t> count_planned_bytes(const SourceModel& model,
                                                               std::size_t index,
                                                               const PlannedWeight& planned,
                                                               const RewriteOptions& rewrite);

/// Keeps weights that must not change alone: the other weights of a layer that changes as a whole
/// or not at all (FormRules), and weights that share their bytes in the file with one that stays.
void keep_together(const SourceModel& model, Plan& plan);

/// Replaces the plan for weight `index` by codes that are written unchanged.
/// errors: InvalidArgument where they are not codes of the weight's shape, or the file cannot hold
/// their form (SourceModel::why_not).
[[nodiscard]] Result<void> plan_finished(const SourceModel& model, std::size_t index,
                                         std::shared_ptr<const EncodedWeight> codes,
                                         const RewriteOptions& rewrite, Plan& plan);

/// The size of the file that the plan gives, measured with the format's own writer and without
/// encoding. returns: nothing where the file stays as it is, because no weight changes or the file
/// would not shrink. errors: of the writer.
[[nodiscard]] Result<std::optional<std::uint64_t>> measure_plan(const SourceModel& model,
                                                                const Plan& plan,
                                                                const RewriteOptions& rewrite,
                                                                std::uint64_t source_bytes);

}  // namespace visionpress
