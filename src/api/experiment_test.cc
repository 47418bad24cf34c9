#include "visionpress/experiment.h"

#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

ExperimentOptions make_options() {
  ExperimentOptions options;
  options.exports = {"model.tflite"};
  options.evaluate.data = "data.json";
  options.results = "results";
  return options;
}

TEST(Experiment, RefusesToLeaveOutImagesThatCannotBeDecoded) {
  // Columns are kept from run to run: one of fewer images would be compared with others of all.
  ExperimentOptions options = make_options();
  options.evaluate.skip_bad = true;
  const auto result = experiment(options, {});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::Usage);
  EXPECT_NE(result.error().message.find("skip_bad"), std::string::npos);
}

}  // namespace
}  // namespace visionpress
