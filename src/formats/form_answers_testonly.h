#pragma once

// Checks that a format's writer keeps the promises of its why_not.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "model/source_model.h"

namespace visionpress {

/// Checks for every weight and every form: if why_not is empty, the writer accepts an edit of that
/// form. returns: the number of accepted edits.
inline std::size_t expect_answers_kept(const SourceModel& model, const RewriteOptions& options) {
  std::size_t taken = 0;
  const std::vector<Weight>& weights = model.graph().weights;
  const auto outline = [&](std::size_t i, const Form& form) {
    const Shape& shape = weights[i].stored.shape;
    const auto width = static_cast<std::size_t>(form.bits < 8 ? 1 : form.bits / 8);
    const auto count = static_cast<std::size_t>(element_count(shape).value_or(0));
    auto code = outline_code(shape, form, weights[i].channel_axis);
    EXPECT_TRUE(code) << weights[i].path << " as " << name_of(form);
    return EncodedWeight{.shape = shape,
                         .code = code.value_or(WeightCode()),
                         .codes = ByteBuffer(count * width, std::byte{0})};
  };
  for (std::size_t i = 0; i < weights.size(); ++i) {
    for (const char* name : {"float32", "fp16", "linear-8", "linear-8-tensor", "linear-4",
                             "linear-1-tensor", "linear-4-block-32", "palette-8", "palette-1"}) {
      const Form form = model.adapt(i, *parse_form(name));
      if (!model.why_not(i, form, options).empty()) continue;
      std::vector<EncodedWeight> values = {outline(i, form)};
      std::vector<std::size_t> changed = {i};
      for (std::size_t k = 0; k < weights.size() && model.rules(form).whole_layers; ++k) {
        if (k == i || weights[k].layer_group != weights[i].layer_group) continue;
        if (!model.why_not(k, form, options).empty()) continue;
        values.push_back(outline(k, form));
        changed.push_back(k);
      }
      std::vector<WeightEdit> edits;
      for (std::size_t k = 0; k < values.size(); ++k) edits.push_back({changed[k], &values[k]});
      const auto file = model.rewrite(edits, options);
      EXPECT_TRUE(file) << weights[i].path << " as " << name << ": " << file.error().message;
      ++taken;
    }
  }
  return taken;
}

/// "fp16" as the file gives it to weight `index`.
inline std::string answer_to(const SourceModel& model, std::size_t index, const char* name,
                             const RewriteOptions& options = {}) {
  return model.why_not(index, model.adapt(index, *parse_form(name)), options);
}

}  // namespace visionpress
