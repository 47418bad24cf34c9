#include "visionpress/evaluate.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDemo = VP_SOURCE_DIR "/demo";

TEST(Evaluate, SpeedAndRunTimeAreOfTheImagesThatCanBeDecoded) {
  std::string pattern = testing::TempDir() + "evaluate_XXXXXX";
  const fs::path folder = ::mkdtemp(pattern.data());
  constexpr std::size_t kBad = 1000;  // before the only good one
  std::ofstream json(folder / "data.json");
  json << R"({"categories": [{"id": 1, "name": "boat"}], "images": [)";
  for (std::size_t i = 0; i < kBad; ++i) {
    const std::string name = "bad" + std::to_string(i) + ".png";
    std::ofstream(folder / name) << "\x89PNG\r\n\x1a\nno more";
    json << R"({"id": )" << i << R"(, "width": 9, "height": 9, "file_name": ")" << name << "\"},";
  }
  fs::copy_file(kDemo + std::string("/images/scene-01.jpg"), folder / "good.jpg");
  json << R"({"id": 5000, "file_name": "good.jpg"}], "annotations": [)"
       << R"({"id": 1, "image_id": 5000, "category_id": 1, "bbox": [1, 1, 20, 20]}]})";
  json.close();
  EvaluateOptions options;
  options.data = folder / "data.json";
  options.skip_bad = true;
  options.threads = 1;
  const auto result = evaluate({kDemo + std::string("/model/model.tflite")}, options, {});
  fs::remove_all(folder);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->bad_images, kBad);
  ASSERT_EQ(result->models.size(), 1U);
  const ModelScore& score = result->models.front();
  ASSERT_TRUE(score.run_time);
  // The speed counts one image, not a thousand. The factor of ten allows for a busy machine.
  EXPECT_LT(score.images_per_second.value_or(0.0), 10.0 * 1000.0 / score.run_time->median_ms);
}

}  // namespace
}  // namespace visionpress
