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
#include "visionpress/fit.h"
#include "visionpress/model.h"
#include "visionpress/package_listing.h"
#include "visionpress/predict.h"
#include "visionpress/runtimes.h"
#include "visionpress/sensitivity.h"

namespace visionpress {

enum class ReportForm : std::uint8_t { Text, Markdown, Csv, Json };

/// How much a Text report tells.
enum class Detail : std::uint8_t { Summary, Full };

/// Every form ends in a line break. The keys of Json are documented in docs/json.md.
/// Text fits 100 columns: if the columns do not fit, the table is split into blocks, one below the
/// other.
[[nodiscard]] std::string format_report(const EvaluateResult& result, ReportForm form);
[[nodiscard]] std::string format_report(const PartialResult& result, ReportForm form);
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
/// Csv and Markdown have one row per part.
[[nodiscard]] std::string format_report(const PackageListing& listing, ReportForm form);
/// Text: what each runtime takes, and why not; Full adds one row per operator. Csv and Markdown
/// have one row per operator and runtime.
[[nodiscard]] std::string format_report(const RuntimeReport& report, ReportForm form,
                                        Detail detail);
[[nodiscard]] std::string format_report(const std::vector<RuntimeReport>& reports, ReportForm form,
                                        Detail detail);
[[nodiscard]] std::string format_report(const PredictResult& result, ReportForm form);
/// The Text form of one image, and the end of the Text form: for showing results as they arrive. An
/// image that could not be read has no text.
[[nodiscard]] std::string format_image_text(const PredictResult& result, std::size_t image);
[[nodiscard]] std::string format_last_text(const PredictResult& result);
/// Markdown begins with the original project's layout: one column per format, one row per scheme.
[[nodiscard]] std::string format_report(const ExperimentResult& result, ReportForm form);
[[nodiscard]] std::string format_report(const FindPreprocessingResult& result, ReportForm form);
/// Text: the files that were tried, the table of the best one, and a line to quote. Csv and
/// Markdown have one row per file.
[[nodiscard]] std::string format_report(const FitResult& result, ReportForm form);
/// Text: one row per weight with the SNR in each form, and a bar for each. Csv and Markdown have
/// one row per weight and form.
[[nodiscard]] std::string format_report(const SensitivityResult& result, ReportForm form);
[[nodiscard]] std::string format_report(const CocoSubsetResult& result, ReportForm form);
[[nodiscard]] std::string format_report(const DataConvertResult& result, ReportForm form);

/// Reports of the service's objects and of calls to it. Lists are arrays in Json.
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
/// and marks that reorder text are written as \n, \u001b and so on, bytes that are not UTF-8 as
/// \xNN. The reports already do so. `allowed`: characters that stay as they are.
[[nodiscard]] std::string escape_unprintable_text(std::string_view text,
                                                  std::string_view allowed = "");

/// "44.12 MB": 10^6 bytes; below that "12.3 kB" and "812 bytes".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

}  // namespace visionpress
