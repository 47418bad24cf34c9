#include "press/layer_names.h"

#include <gtest/gtest.h>

#include "press/fake_model_testonly.h"

namespace visionpress {
namespace {

TEST(LayerNamesTest, StarsStandForAnyCharactersAndQuestionMarksForOne) {
  EXPECT_TRUE(matches_glob("conv*", "conv12/weights"));
  EXPECT_TRUE(matches_glob("*weights", "conv12/weights"));
  EXPECT_TRUE(matches_glob("c*1?/w*s", "conv12/weights"));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("a*b*c", "aXbXbXc"));
  EXPECT_FALSE(matches_glob("conv?", "conv"));
  EXPECT_FALSE(matches_glob("conv", "conv1"));
  EXPECT_FALSE(matches_glob("", "a"));
}

TEST(LayerNamesTest, TheNearestNamesComeFirstAndStrangersNotAtAll) {
  const std::vector<std::string> names = {"conv1", "conv12", "dense", "pool"};
  EXPECT_EQ(find_nearest("conv2", names, 2), (std::vector<std::string>{"conv1", "conv12"}));
  EXPECT_TRUE(find_nearest("activation", names, 3).empty());
}

TEST(LayerNamesTest, ANameStandsForTheWeightsOfItsLayerAndForWhatTheLayerReads) {
  FakeModel model;
  model.add_weight("conv:weights", {4, 4});
  model.add_weight("conv:bias", {4}, WeightRole::Bias);
  model.add_weight("a/Relu;a/Conv2D:weights", {4, 4});
  const Graph& graph = model.graph();
  const auto chosen = [&](const char* name) { return find_named_weights(graph, {name}).value(); };
  EXPECT_EQ(chosen("conv"), (std::vector<bool>{true, true, false}));
  EXPECT_EQ(chosen("conv:bias"), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(chosen("a/Conv2D:weights"), (std::vector<bool>{false, false, true}));
}

TEST(LayerNamesTest, ANameThatFitsNothingIsRefusedWithTheNearest) {
  FakeModel model;
  model.add_weight("conv1:weights", {4, 4});
  const auto chosen = find_named_weights(model.graph(), {"conv2"});
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().kind, ErrorKind::Usage);
  EXPECT_EQ(chosen.error().message, "no layer \"conv2\" to keep; near: conv1");
}

}  // namespace
}  // namespace visionpress
