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

TEST(Experiment, RefusesALimitOfADropAndTakesImagesThatAreLeftOut) {
  ExperimentOptions options = make_options();
  options.evaluate.max_drop = 1.0;
  const auto refused = experiment(options, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::Usage);
  EXPECT_NE(refused.error().message.find("max_drop"), std::string::npos);
  // Who is left out is settled before any column, so kept ones are of the same images: no refusal,
  // and the next thing that is missing is the file.
  options.evaluate.max_drop.reset();
  options.evaluate.skip_bad = true;
  const auto missing = experiment(options, {});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().kind, ErrorKind::Io);
}

}  // namespace
}  // namespace visionpress
