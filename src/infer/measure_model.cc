#include "infer/measure_model.h"

#include "base/error.h"
#include "formats/format_table.h"
#include "package/hash_path.h"

namespace visionpress {

std::vector<std::string> default_sensitivity_forms() {
  return {"linear-8", "linear-7", "linear-6", "linear-5", "linear-4", "linear-3", "linear-2"};
}

std::vector<std::string> list_download_forms(bool packs_codes) {
  if (!packs_codes) {
    return {"linear-8",       "linear-8:0.0001", "linear-8:0.0003", "linear-8:0.001",
            "linear-8:0.003", "linear-8:0.01",   "linear-8:0.03",   "linear-8:0.1"};
  }
  // Codes of 5 to 7 bits lie across bytes: DEFLATE leaves them as they are, which costs less than
  // its references do in bytes of few values.
  return {"linear-8",      "linear-7",       "linear-6",       "linear-5",      "linear-8:0.001",
          "linear-4",      "linear-8:0.003", "linear-4:0.003", "linear-8:0.01", "linear-4:0.01",
          "linear-8:0.03", "linear-4:0.03",  "linear-4:0.1"};
}

Result<std::vector<FormWish>> choose_sensitivity_forms(const std::vector<std::string>& names) {
  std::vector<FormWish> forms;
  for (const std::string& name : names) {
    VP_ASSIGN_OR_RETURN(const FormWish form, choose_wish(name));
    forms.push_back(form);
  }
  return forms;
}

Result<SensitivityResult> describe_model(const ModelRunner& runner, const std::string& input) {
  SensitivityResult result;
  result.input = input;
  result.format = name_of(runner.model.graph().format);
  result.bytes = runner.model.bytes().size();
  VP_ASSIGN_OR_RETURN(result.sha1, hash_path(input));
  result.warnings = runner.model.warnings;
  return result;
}

std::vector<WeightChange> describe_weights(const Graph& graph,
                                           const std::vector<WeightSensitivity>& weights) {
  std::vector<WeightChange> rows;
  for (const WeightSensitivity& sensitivity : weights) {
    const Weight& weight = graph.weights[sensitivity.weight];
    WeightChange row;
    row.name = weight.name;
    row.layer = weight.layer;
    row.shape = weight.stored.shape;
    row.bytes_before = stored_bytes(weight.stored);
    for (const FormSensitivity& form : sensitivity.forms)
      row.forms.push_back({name_of(form.wish), form.bytes, form.download_bytes, form.change});
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace visionpress
