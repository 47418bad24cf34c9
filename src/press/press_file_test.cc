#include "press/press_file.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/temporary_folder_testonly.h"
#include "press/fake_model_testonly.h"
#include "press/scheme_choice.h"
#include "press/write_verified.h"

namespace visionpress {
namespace {

using Texts = std::vector<std::string>;

constexpr const char* kModel = VP_SOURCE_DIR "/demo/model/model.tflite";

std::string error_of(const Result<PressedFile>& pressed) {
  return pressed ? "pressed" : pressed.error().to_string();
}

TEST(PressFile, WritesASmallerFileAndSaysWhatChanged) {
  TemporaryFolder folder;
  const auto model = open_model(kModel);
  ASSERT_TRUE(model) << model.error().to_string();
  const auto pressed =
      press_file(*model, wish("fp16"), folder.path("out.tflite"), Overwrite::Refuse);
  ASSERT_TRUE(pressed) << pressed.error().to_string();
  EXPECT_LT(pressed->bytes, model->bytes().size());
  EXPECT_EQ(pressed->bytes, std::filesystem::file_size(folder.path("out.tflite")));
  EXPECT_EQ(pressed->weights.size(), model->graph().weights.size());
  EXPECT_FALSE(list_edits(pressed->weights).empty());
}

TEST(PressFile, RefusesATargetBeforeTheWork) {
  TemporaryFolder folder;
  const auto model = open_model(kModel);
  ASSERT_TRUE(model) << model.error().to_string();
  const auto press = [&](const std::string& output) {
    return error_of(press_file(*model, wish("fp16"), output, Overwrite::Refuse));
  };
  EXPECT_NE(press(folder.path("out.mlmodel")).find("the file stays a TFLite file"),
            std::string::npos);
  EXPECT_NE(press(folder.path("out.zip")).find("only the model of a ZIP archive"),
            std::string::npos);
  EXPECT_NE(press(kModel).find("model.tflite"), std::string::npos);
  const std::string there = folder.write("there.tflite", "text");
  EXPECT_EQ(press(there), there + ": exists already; --force overwrites it");
  EXPECT_EQ(folder.read("there.tflite"), "text");
  EXPECT_EQ(folder.count(), 1U);
}

Result<void> fail_step(ErrorKind kind) { return fail(kind, "not as meant"); }

class WriteVerified : public testing::Test {
 protected:
  void SetUp() override {
    model_ = MappedFile::open(kModel).value();
    steps_.write = [this](OutputSet& output) {
      const Bytes bytes = model_.bytes();
      return output.write_file({&bytes, 1});
    };
    steps_.verify = [](const OpenedModel& written) -> Result<void> {
      EXPECT_FALSE(written.graph().nodes.empty());
      return {};
    };
  }
  [[nodiscard]] Result<void> write(Overwrite overwrite = Overwrite::Refuse) const {
    return write_verified({.path = folder_.path("m.tflite"), .overwrite = overwrite}, steps_);
  }

  TemporaryFolder folder_ = {};
  MappedFile model_ = {};
  WriteSteps steps_ = {};
};

TEST_F(WriteVerified, GivesTheNameToAFileThatIsAsMeant) {
  ASSERT_TRUE(write());
  EXPECT_EQ(folder_.read("m.tflite"), view_text(model_.bytes()));
}

TEST_F(WriteVerified, AFileThatIsNotAsMeantIsOurFaultAndLeavesNothing) {
  steps_.verify = [](const OpenedModel&) { return fail_step(ErrorKind::Malformed); };
  const auto written = write();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::Internal);
  EXPECT_EQ(written.error().message,
            folder_.path("m.tflite") + ": not written, since reading it back failed: not as meant");
  EXPECT_EQ(folder_.count(), 0U);
}

TEST_F(WriteVerified, AFileThatCannotBeReadIsOurFault) {
  steps_.write = [](OutputSet& output) {
    const Bytes bytes = std::as_bytes(std::span("text"));
    return output.write_file({&bytes, 1});
  };
  folder_.write("m.tflite", "old");
  const auto written = write(Overwrite::Allow);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::Internal);
  EXPECT_EQ(folder_.read("m.tflite"), "old");
}

TEST_F(WriteVerified, AFileThatIsNotAcceptedKeepsTheReason) {
  steps_.accept = [](const OpenedModel&) { return fail_step(ErrorKind::Unsupported); };
  const auto written = write();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::Unsupported);
  EXPECT_EQ(written.error().message, "not as meant");
  EXPECT_EQ(folder_.count(), 0U);
}

TEST(SchemeChoice, NamesSchemesForEveryFormatOrOne) {
  EXPECT_TRUE(check_schemes({"fp16", "coreml:linear-8"}));
  EXPECT_EQ(check_schemes({"openvino:fp16"}).error().message,
            "no format \"openvino\" in \"openvino:fp16\"; one of coreml, tensorflow, onnx, tflite");
  EXPECT_FALSE(check_schemes({"coreml:fp17"}));
  EXPECT_TRUE(is_wanted({}, Format::TfLite, "fp16"));
  EXPECT_TRUE(is_wanted({"fp16"}, Format::TfLite, "fp16"));
  EXPECT_FALSE(is_wanted({"coreml:fp16"}, Format::TfLite, "fp16"));
  EXPECT_TRUE(is_wanted({"coreml:fp16"}, Format::CoreMl, "fp16"));
}

TEST(SchemeChoice, WarnsOfASchemeForAFormatThatNoModelHas) {
  EXPECT_EQ(list_unused({"fp16", "coreml:fp16", "tflite:fp16"}, {"TFLite"}),
            Texts{"coreml:fp16: no export is a Core ML file"});
}

TEST(SchemeChoice, ListsTheSchemesThatChangeAModel) {
  const auto model = open_model(kModel);
  ASSERT_TRUE(model) << model.error().to_string();
  const UsefulSchemes useful = list_useful({"fp16"}, *model, 1);
  EXPECT_EQ(useful.names, Texts{"fp16"});
  EXPECT_TRUE(useful.left_out.empty());
}

}  // namespace
}  // namespace visionpress
