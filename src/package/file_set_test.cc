#include "package/file_set.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <zip.h>

#include "package/foreign_set.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

/// Each test has its own folder.
class FileSets : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / (std::string("vp_file_set_") + info->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
  }

  std::string make_zip(const std::vector<std::pair<std::string, std::string>>& entries) const {
    std::string file = path("a.zip");
    int code = 0;
    zip_t* archive = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    for (const auto& [name, text] : entries) {
      zip_source_t* source = zip_source_buffer(archive, text.data(), text.size(), 0);
      zip_file_add(archive, name.c_str(), source, 0);
    }
    EXPECT_EQ(zip_close(archive), 0);
    return file;
  }

  [[nodiscard]] static std::string text_of(const FileSet& files, const std::string& name) {
    const auto content = files.read(name);
    return content ? std::string(view_text(content->bytes())) : content.error().message;
  }

 private:
  fs::path folder_ = {};
};

TEST_F(FileSets, AFolderAndAnArchiveOfItHaveTheSameNamesAndBytes) {
  const std::vector<std::pair<std::string, std::string>> entries = {
      {"Data/weights/weight.bin", "w"}, {"Data/model.mlmodel", "m"}, {"labels.txt", "cat\n"}};
  for (const auto& [name, text] : entries) write("set/" + name, text);
  const auto folder = FileSet::open(path("set"));
  const auto archive = FileSet::open(make_zip(entries));
  ASSERT_TRUE(folder && archive);
  EXPECT_EQ(folder->kind(), FileSet::Kind::Folder);
  EXPECT_EQ(archive->kind(), FileSet::Kind::Archive);
  Names packed = archive->names();
  std::ranges::sort(packed);
  EXPECT_EQ(folder->names(), packed);
  for (const auto& [name, text] : entries) {
    EXPECT_EQ(text_of(*folder, name), text);
    EXPECT_EQ(text_of(*archive, name), text);
    EXPECT_EQ(folder->size_of(name), text.size());
    EXPECT_EQ(archive->size_of(name), text.size());
  }
}

TEST_F(FileSets, AFolderIsReadLateAndNotBefore) {
  write("set/a", "old");
  const auto files = FileSet::open(path("set"));
  ASSERT_TRUE(files);
  write("set/a", "written after the set was opened");
  EXPECT_EQ(text_of(*files, "a"), "written after the set was opened");
  fs::remove(path("set/a"));
  EXPECT_TRUE(files->has("a"));
  EXPECT_EQ(text_of(*files, "a"), "cannot open: No such file or directory");
}

TEST_F(FileSets, ADamagedEntryHindersNobodyWhoDoesNotReadIt) {
  const std::string file = make_zip({{"good", "good"}, {"bad", "plain text of the bad entry"}});
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  bytes[bytes.find("plain text")] = 'P';
  write("a.zip", bytes);
  const auto files = FileSet::open(file);
  ASSERT_TRUE(files) << files.error().to_string();
  EXPECT_EQ(text_of(*files, "good"), "good");
  const auto bad = files->read("bad");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().kind, ErrorKind::Malformed);
  EXPECT_EQ(bad.error().file, file);
}

TEST_F(FileSets, BytesLiveLongerThanTheirSet) {
  const std::string file = make_zip({{"a", "packed"}});
  write("set/a", "in a folder");
  FileContent unpacked;
  FileContent mapped;
  {
    const auto archive = FileSet::open(file);
    const auto folder = FileSet::open(path("set"));
    ASSERT_TRUE(archive && folder);
    unpacked = *archive->read("a");
    mapped = *folder->read("a");
  }
  EXPECT_EQ(view_text(unpacked.bytes()), "packed");
  EXPECT_EQ(view_text(mapped.bytes()), "in a folder");
}

TEST_F(FileSets, AMissingFileIsNamedWithItsFolderOrItsArchive) {
  write("set/a", "a");
  const auto folder = FileSet::open(path("set"));
  const auto archive = FileSet::open(make_zip({{"a", "a"}}));
  ASSERT_TRUE(folder && archive);
  const auto in_folder = folder->read("variables/b");
  ASSERT_FALSE(in_folder);
  EXPECT_EQ(in_folder.error().kind, ErrorKind::Io);
  EXPECT_EQ(in_folder.error().to_string(),
            path("set/variables/b") + ": cannot open: No such file or directory");
  const auto in_archive = archive->read("variables/b");
  ASSERT_FALSE(in_archive);
  EXPECT_EQ(in_archive.error().kind, ErrorKind::Malformed);
  EXPECT_EQ(in_archive.error().to_string(),
            path("a.zip") + ": the ZIP archive has no entry \"variables/b\"");
  EXPECT_FALSE(folder->has("variables/b"));
  EXPECT_EQ(folder->size_of("variables/b"), 0U);
  EXPECT_EQ(archive->size_of("variables/b"), 0U);
}

TEST_F(FileSets, ANameThatLeavesTheFolderIsRefused) {
  write("set/a", "a");
  write("secret", "s");
  const auto folder = FileSet::open(path("set"));
  const auto file = FileSet::open(path("set/a"));
  ASSERT_TRUE(folder && file);
  for (const std::string name : {"../secret", "x/../../secret", "..", "", "c:\\secret"}) {
    for (const FileSet* files : {&*folder, &*file}) {
      const auto content = files->read(name);
      ASSERT_FALSE(content) << name;
      EXPECT_EQ(content.error().message,
                "the file \"" + name + "\" that it names would lie outside its folder");
    }
  }
  EXPECT_FALSE(folder->read(path("secret")));
}

TEST_F(FileSets, OneFileIsASetOfItselfAndReadsItsNeighbours) {
  write("model.onnx", "graph");
  write("model.onnx.data", "weights");
  const auto files = FileSet::open(path("model.onnx"));
  ASSERT_TRUE(files);
  EXPECT_EQ(files->kind(), FileSet::Kind::File);
  EXPECT_EQ(files->names(), Names{"model.onnx"});
  EXPECT_EQ(text_of(*files, "model.onnx"), "graph");
  EXPECT_EQ(text_of(*files, "model.onnx.data"), "weights");
  EXPECT_EQ(files->path_of("model.onnx"), path("model.onnx"));
  EXPECT_EQ(files->path_of("model.onnx.data"), path("model.onnx.data"));
}

TEST_F(FileSets, OneFileIsMappedOnce) {
  write("model.pb", "graph");
  const auto files = FileSet::open(path("model.pb"));
  ASSERT_TRUE(files);
  const auto first = files->read("model.pb");
  const auto second = files->read("model.pb");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->bytes().data(), second->bytes().data());
  EXPECT_EQ(first->bytes().data(), files->whole_bytes().data());
}

TEST_F(FileSets, ACircleOfLinksEnds) {
  write("set/in/a", "a");
  fs::create_directory_symlink(path("set"), path("set/in/out"));
  fs::create_directory_symlink(path("set/in"), path("set/link"));
  const auto files = FileSet::open(path("set"));
  ASSERT_TRUE(files);
  EXPECT_EQ(files->names(), (Names{"in/a", "link/a"}));
}

TEST_F(FileSets, OfOtherProgramsAreNamed) {
  EXPECT_EQ(name_foreign_set(*FileSet::open(make_zip({{"archive/data.pkl", "p"}}))),
            "a PyTorch model (.pt, .pth); export it to Core ML or TensorFlow Lite first");
  EXPECT_EQ(name_foreign_set(*FileSet::open(make_zip({{"a.npy", "p"}, {"b.npy", "p"}}))),
            "NumPy arrays (.npz)");
  EXPECT_EQ(name_foreign_set(*FileSet::open(make_zip({{"a.npy", "p"}, {"b.txt", "p"}}))), "");
  write("set/Manifest.json", "{}");
  EXPECT_EQ(name_foreign_set(*FileSet::open(path("set"))),
            "a Core ML package (.mlpackage), which is not read yet");
  write("plain/labels.txt", "a");
  EXPECT_EQ(name_foreign_set(*FileSet::open(path("plain"))), "");
}

}  // namespace
}  // namespace visionpress
