#include "infer/fit_choices.h"

#include <gtest/gtest.h>

#include "formats/open_model.h"
#include "model/form.h"

namespace visionpress {
namespace {

/// The demo's detector in one of its formats, with made-up sensitivities of every kernel.
class FitChoicesTest : public testing::Test {
 protected:
  void open(const std::string& name) {
    auto opened = open_model(std::string(VP_SOURCE_DIR "/demo/model/") + name);
    ASSERT_TRUE(opened) << opened.error().to_string();
    model_ = std::move(*opened);
    press_.form = *parse_form("linear-8");
    press_.keep_sensitive = false;
    const Graph& graph = model_.graph();
    for (std::size_t w = 0; w < graph.weights.size(); ++w) {
      WeightChange row{.name = graph.weights[w].name};
      for (const char* form : {"linear-8", "linear-4", "linear-2"}) {
        const PlannedWeight planned = plan_weight(*model_.source, w, *parse_form(form), press_);
        const auto bytes = count_planned_bytes(*model_.source, w, planned, {});
        row.forms.push_back({form, bytes.value_or(0), bytes.value_or(0) / 2, 0.1});
      }
      rows_.push_back(row);
    }
  }
  [[nodiscard]] FitChoices create() const {
    auto choices = FitChoices::create(*model_.source, press_, rows_);
    EXPECT_TRUE(choices) << choices.error().to_string();
    return *std::move(choices);
  }
  [[nodiscard]] std::vector<std::string> all(const FitChoices& choices, const char* name) const {
    return std::vector<std::string>(choices.items().size(), name);
  }

  OpenedModel model_ = {};
  PressOptions press_ = {};
  std::vector<WeightChange> rows_ = {};
};

TEST_F(FitChoicesTest, OnlyWeightsThatTakeCodesAreItems) {
  open("model.mlmodel");
  const FitChoices choices = create();
  EXPECT_EQ(choices.items().size(), 8U);  // the first kernel and the biases are small
  for (const FitItem& item : choices.items()) {
    EXPECT_EQ(item.names, (std::vector<std::string>{"linear-8", "linear-4", "linear-2", kAsItIs}));
    EXPECT_EQ(item.size.back().cost, 0.0);
  }
}

TEST_F(FitChoicesTest, FixedBytesAndItemsAddUpToTheFile) {
  open("model.mlmodel");
  const FitChoices choices = create();
  const std::uint64_t source_bytes = model_.bytes().size();
  const auto fixed = choices.count_fixed_bytes(source_bytes);
  ASSERT_TRUE(fixed);
  for (std::size_t c = 0; c < 3; ++c) {
    std::uint64_t expected = *fixed;
    for (const FitItem& item : choices.items()) expected += item.size[c].bytes;
    const Plan plan = choices.plan(all(choices, choices.items()[0].names[c].c_str()));
    const auto bytes = measure_plan(*model_.source, plan, {}, source_bytes);
    ASSERT_TRUE(bytes);
    EXPECT_NEAR(static_cast<double>(**bytes), static_cast<double>(expected), 200.0);
  }
}

TEST_F(FitChoicesTest, TfliteCodesTakeAByteWhateverTheirBits) {
  open("model.tflite");
  EXPECT_FALSE(packs_codes(*model_.source, press_));
  press_.rewrite.packs_codes = true;
  EXPECT_TRUE(packs_codes(*model_.source, press_));
  press_.rewrite.packs_codes = false;
  open("model.mlmodel");
  EXPECT_TRUE(packs_codes(*model_.source, press_));
}

TEST_F(FitChoicesTest, AsItIsChangesNothingAndKeptWeightsAreNoItems) {
  open("model.mlmodel");
  const FitChoices choices = create();
  EXPECT_EQ(choices.plan(all(choices, kAsItIs)).changed_count(), 0U);
  press_.keep = {"layer8*"};
  EXPECT_EQ(create().items().size(), 7U);
  press_.keep = {"*"};
  const auto none = FitChoices::create(*model_.source, press_, rows_);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::Unsupported);
}

TEST_F(FitChoicesTest, RowsOfOtherModelsAreIgnored) {
  open("model.mlmodel");
  rows_.insert(rows_.begin(), {.name = "of another model", .forms = {{"linear-4", 1, 1, 0.0}}});
  EXPECT_EQ(create().items().size(), 8U);
}

}  // namespace
}  // namespace visionpress
