#include "formats/format_table.h"

#include <filesystem>
#include <set>
#include <span>

#include <gtest/gtest.h>
#include <zip.h>

#include "base/mapped_file.h"
#include "formats/open_model.h"
#include "package/export_package.h"
#include "package/model_name.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string refusal_of(const std::string& file) {
  const auto format = identify_format(bytes_of(file));
  return format ? std::string("it is ") + (*format)->title : format.error().message;
}

/// No other row takes it for its own, so the order of the rows decides nothing.
void expect_only(Format format, Bytes file, const std::string& name) {
  for (const ModelFormat& row : all_formats()) {
    EXPECT_EQ(row.looks_like(file), row.format == format) << name << " as " << row.title;
  }
  const auto found = identify_format(file);
  ASSERT_TRUE(found) << name << ": " << found.error().message;
  EXPECT_EQ((*found)->format, format) << name;
}

TEST(FormatTable, EachRowRecognisesItsOwnBeginningAndNoOtherRowDoes) {
  // Model { specificationVersion 1: 1, description 2: empty, neuralNetwork 500: empty }
  expect_only(Format::CoreMl, bytes_of("\x08\x01\x12\x00\xa2\x1f\x00"s), "Core ML");
  // The same without the version, which is not written where it is 0.
  expect_only(Format::CoreMl, bytes_of("\x12\x00\xa2\x1f\x00"s), "Core ML without a version");
  // GraphDef { node 1 { name 1: "input", op 2: "Placeholder" } }
  expect_only(Format::GraphDef, bytes_of("\n\x14\n\x05input\x12\x0bPlaceholder"s), "TensorFlow");
  // ModelProto { ir_version 1: 7, graph 7: empty, opset_import 8: empty }
  expect_only(Format::Onnx, bytes_of("\x08\x07\x3a\x00\x42\x00"s), "ONNX");
  // The offset of the root table, the identifier
  expect_only(Format::TfLite, bytes_of("\x1c\x00\x00\x00TFL3\x00\x00\x00\x00"s), "TFLite");
}

TEST(FormatTable, EachRowRecognisesTheDemosModelsAndNoOtherRowDoes) {
  std::set<Format> seen;
  for (const char* folder : {"/demo/model", "/demo/classifier"}) {
    for (const auto& file : fs::directory_iterator(std::string(VP_SOURCE_DIR) + folder)) {
      for (const ModelFormat& row : all_formats()) {
        if (file.path().extension() != row.extension) continue;
        const auto mapped = MappedFile::open(file.path());
        ASSERT_TRUE(mapped);
        expect_only(row.format, mapped->bytes(), file.path());
        seen.insert(row.format);
      }
    }
  }
  EXPECT_EQ(seen.size(), all_formats().size()) << "a format without a sample";
}

TEST(FormatTable, EveryNameIsInOneRow) {
  std::set<std::string> names;
  for (const ModelFormat& row : all_formats()) {
    EXPECT_TRUE(names.insert(row.title).second);
    EXPECT_TRUE(names.insert(std::string(row.word)).second);
    EXPECT_TRUE(names.insert(row.extension).second);
    EXPECT_EQ(&format_row(row.format), &row);
    EXPECT_EQ(name_of(row.format), row.title);
    EXPECT_EQ(extension_of(row.format), row.extension);
  }
}

TEST(FormatTable, AnExportPackageMayHoldEachFormat) {
  const std::string folder = fs::path(testing::TempDir()) / "vp_each_format";
  for (const ModelFormat& row : all_formats()) {
    fs::remove_all(folder);
    fs::create_directories(folder);
    fs::copy_file(std::string(VP_SOURCE_DIR) + "/CONTRIBUTING.md", folder + "/m" + row.extension);
    const auto files = FileSet::open(folder);
    ASSERT_TRUE(files);
    EXPECT_TRUE(looks_like_package(*files)) << row.title;
    EXPECT_TRUE(is_model_name(row.extension)) << row.title;
  }
  fs::remove_all(folder);
}

TEST(FormatTable, ModelsThatAreNotReadAreNamed) {
  // SavedModel { version 1: 1, MetaGraphDef 2 { meta info 1: empty, graph 2: empty } }
  EXPECT_TRUE(refusal_of("\x08\x01\x12\x04\x0a\x00\x12\x00"s)
                  .starts_with("this is the saved_model.pb of a TensorFlow SavedModel"));
}

TEST(FormatTable, FilesOfOtherProgramsAreNamedWithWhatToDo) {
  const std::string expected(kExpectedModel);
  EXPECT_EQ(refusal_of("\xff\xd8\xff\xe0 JFIF"), "this is a JPEG image; " + expected);
  EXPECT_EQ(refusal_of("\n{\"a\": 1}"), "this is JSON text; " + expected);
  EXPECT_EQ(refusal_of("\x89HDF\r\n\x1a\n"),
            "this is a Keras HDF5 file (.h5); convert it to TensorFlow Lite first; " + expected);
}

TEST(FormatTable, WhatNobodyKnowsIsShownByItsFirstBytes) {
  const std::string expected(kExpectedModel);
  EXPECT_EQ(refusal_of(""), "the file is empty; " + expected);
  EXPECT_EQ(refusal_of("\xaa\xbb"), "no model: it begins with aa bb; " + expected);
  EXPECT_EQ(refusal_of("\xaa" + std::string(300, '\xbb')),
            "no model: it begins with aa bb bb bb bb bb bb bb; " + expected);
  EXPECT_EQ(refusal_of(std::string(300, 'A')),
            "no model: it is Base64 text; decode it first; " + expected);
}

/// A folder of its own.
class OpenModel : public testing::Test {
 protected:
  OpenModel() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~OpenModel() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] static std::string demo(const std::string& name) {
    return std::string(VP_SOURCE_DIR) + "/demo/model/" + name;
  }
  /// entries: a name and the path of the file that goes there.
  [[nodiscard]] std::string make_zip(
      const std::vector<std::pair<std::string, std::string>>& entries) const {
    std::string file = path("a.zip");
    int code = 0;
    zip_t* archive = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    for (const auto& [name, from] : entries) {
      zip_file_add(archive, name.c_str(), zip_source_file(archive, from.c_str(), 0, -1), 0);
    }
    EXPECT_EQ(zip_close(archive), 0);
    return file;
  }

 private:
  fs::path folder_ = fs::path(testing::TempDir()) / "vp_open_model";
};

TEST_F(OpenModel, TheSameModelComesOutOfAFileAFolderAndAnArchive) {
  fs::create_directories(path("export"));
  fs::copy_file(demo("model.tflite"), path("export/model.tflite"));
  fs::copy_file(demo("labels.txt"), path("export/labels.txt"));
  const std::string archive =
      make_zip({{"model.tflite", demo("model.tflite")}, {"labels.txt", demo("labels.txt")}});
  const auto alone = open_model(demo("model.tflite"));
  ASSERT_TRUE(alone) << alone.error().to_string();
  EXPECT_FALSE(alone->package);
  for (const std::string& container : {path("export"), archive}) {
    const auto model = open_model(container);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(view_text(model->bytes()), view_text(alone->bytes())) << container;
    EXPECT_EQ(model->size_bytes(), alone->size_bytes()) << container;
    EXPECT_EQ(model->entry, "model.tflite");
    EXPECT_EQ(model->parts, std::vector<std::string>{"model.tflite"});
    EXPECT_EQ(model->graph().nodes.size(), alone->graph().nodes.size());
    ASSERT_TRUE(model->package);
    EXPECT_EQ(model->package->labels.size(), 2U);
  }
}

TEST_F(OpenModel, AMovedModelKeepsItsBytes) {
  auto opened = open_model(make_zip({{"model.tflite", demo("model.tflite")}}));
  ASSERT_TRUE(opened);
  const OpenedModel moved = std::move(*opened);
  const auto copy = moved.source->rewrite({}, {});
  ASSERT_TRUE(copy) << copy.error().message;
  EXPECT_FALSE(copy->pieces.empty());
}

TEST_F(OpenModel, ASavedModelInAnArchiveIsRefused) {
  const auto model = open_model(make_zip({{"saved/saved_model.pb", demo("labels.txt")}}));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().to_string(),
            path("a.zip") +
                ": saved/saved_model.pb is a TensorFlow SavedModel, a folder of files; unpack the "
                "archive and name the folder");
}

TEST_F(OpenModel, AFolderOfSeveralModelsAsksForOne) {
  fs::create_directories(path("all"));
  fs::copy_file(demo("model.tflite"), path("all/a.tflite"));
  fs::copy_file(demo("model.mlmodel"), path("all/b.mlmodel"));
  const auto model = open_model(path("all"));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message,
            "this folder holds 2 models, name one of them: a.tflite, b.mlmodel");
}

TEST_F(OpenModel, SettingsBelongToTensorFlowGraphsAlone) {
  const auto model = open_model(demo("model.tflite"), {.settings = {{"training", "false"}}});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().kind, ErrorKind::Usage);
}

}  // namespace
}  // namespace visionpress
