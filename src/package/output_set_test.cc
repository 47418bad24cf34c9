#include "package/output_set.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <zip.h>

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// text: must outlive the result.
ReplacedFile replacement(const std::string& name, const std::string& text) {
  ReplacedFile file;
  file.name = name;
  file.content.pieces = {bytes_of(text).first(text.size() / 2),
                         bytes_of(text).subspan(text.size() / 2)};
  return file;
}

class OutputSets : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / (std::string("vp_output_set_") + info->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write("model.bin", "one file");
    write("in/Manifest.json", "{}");
    write("in/Data/weight.bin", "float32 weights");
    int code = 0;
    zip_t* archive = zip_open(path("in.zip").c_str(), ZIP_CREATE, &code);
    for (const char* name : {"Manifest.json", "Data/weight.bin"}) {
      const std::string from = path("in/") + name;
      zip_file_add(archive, name, zip_source_file(archive, from.c_str(), 0, -1), 0);
    }
    EXPECT_EQ(zip_close(archive), 0);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
  }
  [[nodiscard]] static std::string text_of(const FileSet& files, const std::string& name) {
    const auto content = files.read(name);
    return content ? std::string(view_text(content->bytes())) : content.error().to_string();
  }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

 private:
  fs::path folder_ = {};
};

TEST_F(OutputSets, AFolderAndAnArchiveAreCopiedAlikeButForWhatIsReplaced) {
  const std::string text = "small";
  for (const std::string name : {"in", "in.zip"}) {
    const auto source = FileSet::open(path(name));
    ASSERT_TRUE(source);
    auto output = OutputSet::create(path("out"), source->kind(), Overwrite::Refuse);
    ASSERT_TRUE(output) << output.error().to_string();
    const std::vector<ReplacedFile> replaced = {replacement("Data/weight.bin", text)};
    ASSERT_TRUE(output->write_copy(*source, replaced));
    const auto early = FileSet::open(output->temporary_path());
    ASSERT_TRUE(early) << "it can be read back before it has its name";
    EXPECT_EQ(text_of(*early, "Data/weight.bin"), text);
    EXPECT_FALSE(fs::exists(path("out")));
    ASSERT_TRUE(output->commit());
    const auto copy = FileSet::open(path("out"));
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->kind(), source->kind());
    EXPECT_EQ(copy->names(), source->names());
    EXPECT_EQ(text_of(*copy, "Data/weight.bin"), text);
    EXPECT_EQ(text_of(*copy, "Manifest.json"), "{}");
    fs::remove_all(path("out"));
  }
}

TEST_F(OutputSets, WithNothingReplacedAnArchiveIsTheSameFile) {
  const auto source = FileSet::open(path("in.zip"));
  ASSERT_TRUE(source);
  auto output = OutputSet::create(path("out.zip"), FileSet::Kind::Archive, Overwrite::Refuse);
  ASSERT_TRUE(output);
  ASSERT_TRUE(output->write_copy(*source, {}));
  ASSERT_TRUE(output->commit());
  const auto copy = FileSet::open(path("out.zip"));
  ASSERT_TRUE(copy);
  EXPECT_EQ(view_text(copy->whole_bytes()), view_text(source->whole_bytes()));
}

TEST_F(OutputSets, OneFileIsItsPiecesInOrder) {
  const std::string text = "another file";
  const auto source = FileSet::open(path("model.bin"));
  ASSERT_TRUE(source);
  auto output = OutputSet::create(path("out"), FileSet::Kind::File, Overwrite::Refuse);
  ASSERT_TRUE(output);
  const std::vector<ReplacedFile> replaced = {replacement("model.bin", text)};
  ASSERT_TRUE(output->write_copy(*source, replaced));
  ASSERT_TRUE(output->commit());
  EXPECT_EQ(text_of(*FileSet::open(path("out")), "out"), text);
}

TEST_F(OutputSets, NothingIsWrittenWhenAPieceFails) {
  const std::size_t before = entries();
  const std::string text = "small";
  const std::vector<ReplacedFile> replaced = {replacement("Data/weight.bin", text)};
  const auto folder = FileSet::open(path("in"));
  const auto archive = FileSet::open(path("in.zip"));
  ASSERT_TRUE(folder && archive);
  fs::remove(path("in/Manifest.json"));  // the set still lists it, so its copy fails halfway
  {
    auto output = OutputSet::create(path("out"), FileSet::Kind::Folder, Overwrite::Refuse);
    ASSERT_TRUE(output);
    const auto written = output->write_copy(*folder, replaced);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().to_string(),
              path("in/Manifest.json") + ": cannot open: No such file or directory");
  }
  EXPECT_EQ(entries(), before);
  const std::vector<ReplacedFile> unknown = {replacement("Data/other.bin", text)};
  for (const FileSet* source : {&*folder, &*archive}) {
    auto output = OutputSet::create(path("out"), source->kind(), Overwrite::Refuse);
    ASSERT_TRUE(output);
    const auto written = output->write_copy(*source, unknown);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().to_string(),
              source->path() + ": it has no file \"Data/other.bin\" to replace");
  }
  EXPECT_EQ(entries(), before);
}

}  // namespace
}  // namespace visionpress
