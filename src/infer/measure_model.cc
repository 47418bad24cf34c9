#include "infer/measure_model.h"

#include "base/error.h"
#include "codecs/family.h"

namespace visionpress {

std::vector<std::string> default_sensitivity_forms() {
  return {"linear-8", "linear-7", "linear-6", "linear-5", "linear-4", "linear-3", "linear-2"};
}

Result<std::vector<Form>> choose_sensitivity_forms(const std::vector<std::string>& names) {
  std::vector<Form> forms;
  for (const std::string& name : names) {
    VP_ASSIGN_OR_RETURN(const Form form, choose_form(name));
    if (form.encoding != Encoding::Linear && form.encoding != Encoding::Table) {
      return fail(ErrorKind::Usage, "{} has no codes to choose; expected linear-N or palette-N",
                  name);
    }
    forms.push_back(form);
  }
  return forms;
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
