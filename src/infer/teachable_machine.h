#pragma once

// Recognises networks that Google's Teachable Machine exported, which say in their own file nothing
// about the pixels that they take.

#include <optional>

#include "eval/preprocess.h"
#include "formats/open_model.h"
#include "infer/model_labels.h"

namespace visionpress {

/// How Teachable Machine prepares a picture: the centred square, RGB, and -1..1 where the input is
/// float32 (an 8-bit input says its range itself). Nothing for other networks.
/// A TFLite file is taken for one of Teachable Machine by its facts: a layer called dense_Dense1
/// with dense_Dense2 or behind an input sequential_N_input, as its trainer names them; or the name
/// model_unquant.tflite beside labels that are numbered from 0, as it writes them; or an archive of
/// model.tflite and such labels alone. What was found stands in the result's source. labels: those
/// that belong to the model. path: that the model was opened by. source: five exports of 2020 to
/// 2023; the code that its site shows beside an export
/// ((pixel / 127.5) - 1, ImageOps.fit to 224x224).
[[nodiscard]] std::optional<PackageHint> find_teachable_machine(const OpenedModel& model,
                                                                const FoundLabels& labels);

/// The hint for a model: of its export package, or of Teachable Machine; else `fallback`.
[[nodiscard]] PackageHint choose_model_hint(const OpenedModel& model, const FoundLabels& labels,
                                            const PackageHint& fallback = {});

}  // namespace visionpress
