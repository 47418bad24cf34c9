// docs/csv.md names every column of every CSV.

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "visionpress/report.h"

namespace visionpress {
namespace {

/// The part of docs/csv.md under the heading; empty where there is none.
std::string read_section(const std::string& heading) {
  std::ifstream file(std::string(VP_SOURCE_DIR) + "/docs/csv.md");
  std::stringstream text;
  text << "\n" << file.rdbuf();
  const std::string page = text.str();
  const std::size_t begin = page.find("\n## " + heading + "\n");
  if (begin == std::string::npos) return {};
  return page.substr(begin + 1, page.find("\n## ", begin + 1) - begin - 1);
}

/// The names on the first line.
std::vector<std::string> list_columns(const std::string& csv) {
  std::vector<std::string> names(1);
  bool is_quoted = false;
  for (const char c : csv.substr(0, csv.find_first_of("\r\n"))) {
    if (c == '"') {
      is_quoted = !is_quoted;
    } else if (c == ',' && !is_quoted) {
      names.emplace_back();
    } else {
      names.back() += c;
    }
  }
  return names;
}

void expect_documented(const std::string& heading, const std::string& csv) {
  const std::string section = read_section(heading);
  ASSERT_NE(section, "") << heading;
  for (const std::string& name : list_columns(csv)) {
    EXPECT_NE(name, "") << heading;
    EXPECT_NE(section.find("`" + name + "`"), std::string::npos) << heading << ": " << name;
  }
}

TEST(CsvColumns, OfWhatIsMeasuredAreDocumented) {
  expect_documented("evaluate", format_report(EvaluateResult(), ReportForm::Csv));
  expect_documented("evaluate --shard", format_report(PartialResult(), ReportForm::Csv));
  FindPreprocessingResult found;
  for (const Task task : {Task::Detection, Task::Classification}) {
    found.task = task;
    expect_documented("evaluate --find-preprocessing", format_report(found, ReportForm::Csv));
  }
  expect_documented("predict", format_report(PredictResult(), ReportForm::Csv));
  const std::string experiment = format_report(ExperimentResult(), ReportForm::Csv);
  EXPECT_TRUE(experiment.starts_with("metric," + format_report(EvaluateResult(), ReportForm::Csv)));
  EXPECT_NE(read_section("experiment").find("`metric`"), std::string::npos);
}

TEST(CsvColumns, OfFilesAreDocumented) {
  const ReportForm csv = ReportForm::Csv;
  expect_documented("compress, convert", format_report(CompressResult(), csv, Detail::Full));
  expect_documented("compress, convert", format_report(ConvertResult(), csv, Detail::Full));
  expect_documented("inspect", format_report(ModelInfo(), csv, Detail::Full));
  expect_documented("inspect", format_report(std::vector<ModelInfo>(2), csv, Detail::Full));
  expect_documented("data coco", format_report(CocoSubsetResult(), csv));
  expect_documented("data convert", format_report(DataConvertResult(), csv));
}

TEST(CsvColumns, OfTheServiceAreDocumented) {
  const ReportForm csv = ReportForm::Csv;
  expect_documented("cloud", format_report(std::vector<CloudDomain>(), csv));
  expect_documented("cloud", format_report(std::vector<CloudProject>(), csv));
  expect_documented("cloud", format_report(std::vector<CloudTag>(), csv));
  expect_documented("cloud", format_report(std::vector<CloudIteration>(), csv));
  expect_documented("cloud", format_report(CloudUploadResult(), csv));
  expect_documented("cloud", format_report(CloudTrainResult(), csv));
  expect_documented("cloud", format_report(CloudPerformance(), csv));
  expect_documented("cloud", format_report(CloudExportResult(), csv));
}

}  // namespace
}  // namespace visionpress
