#include "press/lost_paths.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

/// A report of one runtime. take: of each operator, named by its place.
RuntimeReport report_of(const std::vector<std::pair<std::string, RuntimeTake>>& operators) {
  RuntimeReport report;
  report.runtimes.push_back({.id = "fast"});
  for (const auto& [name, take] : operators) {
    OperatorRuntimes row;
    row.name = name;
    row.type = name.substr(0, name.find(' '));
    row.answers.push_back({.take = take, .why = take == RuntimeTake::Takes ? "" : "why"});
    report.operators.push_back(std::move(row));
  }
  return report;
}

TEST(LostPaths, AreThoseThatTheSourceHad) {
  using enum RuntimeTake;
  const RuntimeReport source = report_of({{"CONV 1", Takes}, {"CONV 2", Takes}, {"ADD 3", Falls}});
  EXPECT_EQ(describe_lost_paths(source, source), "");
  EXPECT_EQ(describe_lost_paths(
                source, report_of({{"CONV 1", Falls}, {"CONV 2", Falls}, {"ADD 3", Falls}})),
            "leaves fast paths: fast no longer takes 2 CONV (why) (inspect --runtimes)");
}

TEST(LostPaths, IncludeOperatorsThatTheNewFileAdds) {
  using enum RuntimeTake;
  EXPECT_EQ(describe_lost_paths(report_of({{"CONV 1", Takes}}),
                                report_of({{"DEQUANTIZE 0", Refuses}, {"CONV 1", Takes}})),
            "leaves fast paths: fast no longer takes 1 DEQUANTIZE (why) (inspect --runtimes)");
}

TEST(LostPaths, OfARuntimeThatDidNotRunTheSourceAreNone) {
  using enum RuntimeTake;
  RuntimeReport source = report_of({{"CONV 1", Takes}, {"X 2", Refuses}});
  source.runtimes[0].refused_because = "X";
  EXPECT_EQ(describe_lost_paths(source, report_of({{"CONV 1", Falls}, {"X 2", Refuses}})), "");
}

}  // namespace
}  // namespace visionpress
