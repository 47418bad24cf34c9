#pragma once

// The weights that a search may change, the forms that each may take, and the plan of a choice.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/source_model.h"
#include "press/choose_forms.h"
#include "press/plan.h"
#include "visionpress/result.h"
#include "visionpress/sensitivity.h"

namespace visionpress {

/// The name of the choice to leave a weight alone.
inline constexpr const char* kAsItIs = "as it is";

/// Weights of the graph that take one form together, and the forms that they may take.
struct FitItem {
  std::vector<std::size_t> weights = {};  ///< several where they share their bytes
  std::vector<std::string> names = {};    ///< of the forms; the last one is kAsItIs
  std::vector<FormChoice> size = {};      ///< one per name: bytes in the file
  std::vector<FormChoice> download = {};  ///< one per name: bytes after gzip, about
};

class FitChoices {
 public:
  /// press: `form` is what weights get that no row is of.  rows: measured; of names that the model
  /// has not, and of weights that stay, they are ignored.
  /// errors: of make_plan; Unsupported where nothing is left to choose.
  [[nodiscard]] static Result<FitChoices> create(const SourceModel& model,
                                                 const PressOptions& press,
                                                 const std::vector<WeightChange>& rows);

  [[nodiscard]] const std::vector<FitItem>& items() const { return items_; }
  /// Bytes of the file around the weights of the items. errors: of the format's writer.
  [[nodiscard]] Result<std::uint64_t> count_fixed_bytes(std::uint64_t source_bytes) const;
  /// names: one per item.
  [[nodiscard]] Plan plan(const std::vector<std::string>& names) const;

 private:
  FitChoices(const SourceModel& model, const PressOptions& press) : model_(&model), press_(press) {}
  [[nodiscard]] FitItem make_item(const WeightChange& row, std::size_t weight) const;

  const SourceModel* model_;
  PressOptions press_;
  Plan base_ = {};  ///< every weight in PressOptions::form
  std::vector<FitItem> items_ = {};
};

/// Whether fewer bits make the file itself smaller for some weight; else all codes take a byte, and
/// only the download shrinks.
[[nodiscard]] bool packs_codes(const SourceModel& model, const PressOptions& press);

}  // namespace visionpress
