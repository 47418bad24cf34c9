#include <string>

#include <gtest/gtest.h>

#include "formats/coreml/coreml_build_testonly.h"
#include "formats/coreml/coreml_reader.h"
#include "formats/coreml/ml_program_outline.h"
#include "visionpress/runtimes.h"

namespace visionpress {
namespace {

RuntimeReport judge(const ByteBuffer& file) {
  Diagnostics ignored;
  const auto model = read_coreml(file, ignored);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? (*model)->judge_runtimes() : RuntimeReport();
}

/// A file of one layer of the given type.
RuntimeReport judge_layer(std::uint32_t type, const Message& params) {
  return judge(model_file({layer("one", "image", "out", type, params)}));
}

TEST(CoreMlOnIos, ALayerBelongsToAVersion) {
  constexpr std::uint32_t kUnary = 220;
  constexpr std::uint32_t kErf = 790;
  const RuntimeReport old = judge_layer(kUnary, Message());
  ASSERT_EQ(old.operators.size(), 1U);
  EXPECT_EQ(old.operators[0].answers[0].since, "iOS 11, macOS 10.13");
  const RuntimeReport later = judge_layer(kErf, Message());
  EXPECT_EQ(later.operators[0].answers[0].since, "iOS 13, macOS 10.15");
}

TEST(MlProgram, FunctionsAndOperationsAreCounted) {
  const auto operation = [](const std::string& type) { return Message().text(1, type); };
  const Message block = Message()
                            .message(3, operation("conv"))
                            .message(3, operation("relu"))
                            .message(3, operation("conv"));
  const Message function =
      Message().text(2, "CoreML6").message(3, Message().text(1, "CoreML6").message(2, block));
  const Message program = Message().message(2, Message().text(1, "main").message(2, function));
  const Message model = Message().varint(1, 7).message(502, program);
  const auto outline = outline_ml_program(model.done());
  ASSERT_TRUE(outline) << outline.error().to_string();
  EXPECT_EQ(outline->version, 7U);
  EXPECT_EQ(outline->kind, "mlProgram");
  ASSERT_EQ(outline->functions.size(), 1U);
  EXPECT_EQ(outline->functions[0].name, "main");
  EXPECT_EQ(outline->functions[0].opset, "CoreML6");
  EXPECT_EQ(outline->functions[0].operations, 3U);
  EXPECT_EQ(outline->functions[0].operators.at("conv"), 2U);
}

TEST(MlProgram, AFileWithoutAModelIsAnError) {
  const auto outline = outline_ml_program(Message().varint(1, 7).done());
  ASSERT_FALSE(outline);
  EXPECT_EQ(outline.error().message, "no Core ML model: none of its fields holds one");
}

TEST(MlProgram, NestingHasALimit) {
  Message block = Message().message(3, Message().text(1, "const"));
  for (int i = 0; i < 40; ++i) {
    block = Message().message(3, Message().text(1, "cond").message(4, block));
  }
  const Message function = Message().message(3, Message().text(1, "x").message(2, block));
  const Message program = Message().message(2, Message().text(1, "main").message(2, function));
  const auto outline = outline_ml_program(Message().message(502, program).done());
  ASSERT_FALSE(outline);
  EXPECT_TRUE(outline.error().message.find("nest") != std::string::npos) << outline.error().message;
}

}  // namespace
}  // namespace visionpress
