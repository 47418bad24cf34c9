#include "eval/column_plan.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

std::vector<std::string> titles_of(const std::vector<PlannedColumn>& planned) {
  std::vector<std::string> titles;
  for (const PlannedColumn& each : planned) titles.push_back(each.column.title);
  return titles;
}

TEST(ColumnPlan, NamesFilesByTheirTitles) {
  EXPECT_EQ(name_file("Core ML fp16"), "core-ml-fp16");
  EXPECT_EQ(name_file("TFLite (a b.tflite)"), "tflite-a-b.tflite");
  EXPECT_EQ(name_file("(x)"), "x");
}

TEST(ColumnPlan, ExportsOfOneFormatAreToldApartByNameAndNumber) {
  std::vector<ExportFacts> exports = {{.path = "a/m.tflite", .family = "TFLite"},
                                      {.path = "b/m.tflite", .family = "TFLite"},
                                      {.path = "c/", .family = "TFLite"},
                                      {.path = "m.mlmodel", .family = "Core ML"}};
  name_families(exports);
  EXPECT_EQ(list_families(exports),
            (std::vector<std::string>{"TFLite (m.tflite)", "TFLite (m.tflite) 2", "TFLite (c)",
                                      "Core ML"}));
}

TEST(ColumnPlan, GivesTheOnlineColumnFirstAndCopiesAfterTheirExport) {
  const std::vector<ExportFacts> exports = {
      {.path = "m.mlmodel", .family = "Core ML", .extension = ".mlmodel", .schemes = {"fp16"}},
      {.path = "m.pb", .family = "TensorFlow", .extension = ".pb"}};
  const auto planned = plan_columns(exports, "https://service");
  EXPECT_EQ(titles_of(planned),
            (std::vector<std::string>{"Online", "Core ML", "Core ML fp16", "TensorFlow"}));
  EXPECT_EQ(planned[0].source, nullptr);
  EXPECT_EQ(planned[0].exported, 0U);
  EXPECT_EQ(planned[2].exported, 1U);
  EXPECT_EQ(planned[2].name, "core-ml-fp16");
  EXPECT_EQ(planned[2].column.source, "core-ml-fp16.mlmodel");
  EXPECT_EQ(planned[3].exported, 3U);
  EXPECT_EQ(plan_columns(exports, std::nullopt).front().column.title, "Core ML");
}

}  // namespace
}  // namespace visionpress
