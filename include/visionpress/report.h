#pragma once

/// Results as text. Every form is made from the same struct, so they cannot disagree.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "visionpress/compress.h"
#include "visionpress/convert.h"
#include "visionpress/evaluate.h"
#include "visionpress/model.h"
#include "visionpress/predict.h"

namespace visionpress {

enum class ReportForm : std::uint8_t { Text, Markdown, Csv, Json };

/// How much a Text report tells.
enum class Detail : std::uint8_t { Summary, Full };

/// Every form ends in a line break. The keys of Json are documented in docs/json.md.
/// Text fits 100 columns: more columns than fit become blocks under each other.
[[nodiscard]] std::string format_report(const EvaluateResult& result, ReportForm form);
/// Text Summary is one line; Full adds a row a weight. Markdown and Csv are a row a weight.
[[nodiscard]] std::string format_report(const CompressResult& result, ReportForm form,
                                        Detail detail);
/// As CompressResult; without a scheme there are no rows.
[[nodiscard]] std::string format_report(const ConvertResult& result, ReportForm form,
                                        Detail detail);
/// Text Full adds a row a layer and a weight.
[[nodiscard]] std::string format_report(const ModelInfo& info, ReportForm form, Detail detail);
[[nodiscard]] std::string format_report(const PredictResult& result, ReportForm form);

/// "44.12 MB": 10^6 bytes; below that "12.3 kB" and "812 bytes".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

}  // namespace visionpress
