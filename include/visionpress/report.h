#pragma once

/// Results as text. Every form is made from the same struct, so they cannot disagree.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "visionpress/cloud.h"
#include "visionpress/compress.h"
#include "visionpress/convert.h"
#include "visionpress/data.h"
#include "visionpress/evaluate.h"
#include "visionpress/experiment.h"
#include "visionpress/find_preprocessing.h"
#include "visionpress/model.h"
#include "visionpress/predict.h"

namespace visionpress {

enum class ReportForm : std::uint8_t { Text, Markdown, Csv, Json };

/// How much a Text report tells.
enum class Detail : std::uint8_t { Summary, Full };

/// Every form ends in a line break. The keys of Json are documented in docs/json.md.
/// Text fits 100 columns: more columns than fit become blocks under each other.
[[nodiscard]] std::string format_report(const EvaluateResult& result, ReportForm form);
/// Text Summary is one line; Full adds one row per weight. Markdown and Csv have one row per
/// weight.
[[nodiscard]] std::string format_report(const CompressResult& result, ReportForm form,
                                        Detail detail);
/// As CompressResult; without a scheme there are no rows.
[[nodiscard]] std::string format_report(const ConvertResult& result, ReportForm form,
                                        Detail detail);
/// Text Full adds one row per layer and one per weight. Csv and Markdown have one row per weight.
[[nodiscard]] std::string format_report(const ModelInfo& info, ReportForm form, Detail detail);
/// Several files in one document: an array in Json, one table in Csv and Markdown.
[[nodiscard]] std::string format_report(const std::vector<ModelInfo>& infos, ReportForm form,
                                        Detail detail);
[[nodiscard]] std::string format_report(const PredictResult& result, ReportForm form);
/// What the text form has of one image, and what it ends with: for results that are shown as they
/// come. An image that could not be read has no text.
[[nodiscard]] std::string format_image_text(const PredictResult& result, std::size_t image);
[[nodiscard]] std::string format_last_text(const PredictResult& result);
/// Markdown begins with the original project's layout: a format a column, a scheme a row.
[[nodiscard]] std::string format_report(const ExperimentResult& result, ReportForm form);
[[nodiscard]] std::string format_report(const FindPreprocessingResult& result, ReportForm form);
[[nodiscard]] std::string format_report(const CocoSubsetResult& result, ReportForm form);

/// What the service has or did. Lists are an array in Json.
[[nodiscard]] std::string format_report(const std::vector<CloudDomain>& domains, ReportForm form);
[[nodiscard]] std::string format_report(const std::vector<CloudProject>& projects, ReportForm form);
[[nodiscard]] std::string format_report(const std::vector<CloudTag>& tags, ReportForm form);
[[nodiscard]] std::string format_report(const std::vector<CloudIteration>& iterations,
                                        ReportForm form);
[[nodiscard]] std::string format_report(const CloudUploadResult& result, ReportForm form);
[[nodiscard]] std::string format_report(const CloudTrainResult& result, ReportForm form);
[[nodiscard]] std::string format_report(const CloudPerformance& performance, ReportForm form);
[[nodiscard]] std::string format_report(const CloudExportResult& result, ReportForm form);

/// Text out of a file, such as a warning of a result, on one line: control characters, line breaks
/// and marks that reorder text are written as \n, \u001b and so on, bytes that are no UTF-8 as
/// \xNN. The reports do so themselves. `allowed`: characters that stay.
[[nodiscard]] std::string escape_unprintable_text(std::string_view text,
                                                  std::string_view allowed = "");

/// "44.12 MB": 10^6 bytes; below that "12.3 kB" and "812 bytes".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

}  // namespace visionpress
