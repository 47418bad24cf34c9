#include "visionpress/experiment.h"

#include <filesystem>
#include <fstream>
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
  // The images to leave out are found before any column, so kept columns are of the same images.
  // The run is therefore not refused, and fails only at the missing file.
  options.evaluate.max_drop.reset();
  options.evaluate.skip_bad = true;
  const auto missing = experiment(options, {});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().kind, ErrorKind::Io);
}

// Every column leaves out the same images. An image that breaks later ends the run with an error
// that names it: leaving it out of only some columns would make them differ silently.
TEST(Experiment, AnImageThatBreaksInTheRunEndsIt) {
  namespace fs = std::filesystem;
  const std::string demo = VP_SOURCE_DIR "/demo";
  std::string pattern = testing::TempDir() + "experiment_XXXXXX";
  const fs::path folder = ::mkdtemp(pattern.data());
  for (const char* name : {"scene-01.jpg", "scene-02.jpg", "scene-03.jpg"}) {
    fs::copy_file(demo + "/images/" + name, folder / name);
  }
  ExperimentOptions options;
  options.exports = {demo + "/model/model.tflite"};
  options.schemes = {"fp16"};
  options.results = folder / "results";
  options.evaluate.data = demo + "/annotations.json";
  options.evaluate.images = folder;
  options.evaluate.skip_missing = true;
  options.evaluate.skip_bad = true;
  options.evaluate.threads = 1;
  bool is_broken = false;
  const auto result = experiment(options, [&](std::size_t, std::size_t, const std::string& what) {
    if (is_broken || what.starts_with("looking for")) return;
    is_broken = true;
    std::ofstream(folder / "scene-03.jpg") << "none";
  });
  EXPECT_TRUE(is_broken);
  const bool has_table = result.has_value();
  const Error error = has_table ? Error{} : result.error();
  const bool is_marked_done = fs::exists(folder / "results" / "columns" / "tflite.json");
  fs::remove_all(folder);
  ASSERT_FALSE(has_table);
  EXPECT_EQ(error.kind, ErrorKind::Malformed);
  EXPECT_NE(error.to_string().find("scene-03.jpg: not an image"), std::string::npos)
      << error.to_string();
  EXPECT_FALSE(is_marked_done);
}

}  // namespace
}  // namespace visionpress
