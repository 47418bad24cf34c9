#include "package/export_package.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zip.h>

#include "base/error.h"
#include "base/output_file.h"
#include "base/shared_testonly.h"
#include "package/sha1.h"
#include "package/zip_archive.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

struct Entry {
  std::string name = {};
  std::string text = {};
  zip_uint32_t unix_mode = 0;
  zip_uint16_t encryption = ZIP_EM_NONE;
};

struct OpenedPackage {
  FileSet files = {};
  ExportPackage package = {};
  FileContent model = {};
};

Result<OpenedPackage> open_package(const std::string& path, Diagnostics& diagnostics) {
  OpenedPackage opened;
  VP_ASSIGN_OR_RETURN(opened.files, FileSet::open(path));
  VP_ASSIGN_OR_RETURN(opened.package, read_package(opened.files, diagnostics));
  VP_ASSIGN_OR_RETURN(opened.model, opened.files.read(opened.package.model_entry));
  compare_sha1(opened.model.bytes(), opened.package, diagnostics);
  return opened;
}

/// Returns the archive with another model.
Result<ByteBuffer> with_model(const OpenedPackage& opened, std::span<const Bytes> model) {
  VP_ASSIGN_OR_RETURN(const auto replaced, replace_model(opened.files, opened.package, model));
  return repack(opened.files, replaced);
}

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// Each test has its own folder.
class ExportPackages : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / (std::string("vp_package_") + info->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }

  std::string make_zip(const std::vector<Entry>& entries, const std::string& name = "a.zip") {
    std::string file = path(name);
    int code = 0;
    zip_t* archive = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    for (const Entry& entry : entries) {
      zip_source_t* source = zip_source_buffer(archive, entry.text.data(), entry.text.size(), 0);
      const auto index = zip_file_add(archive, entry.name.c_str(), source, 0);
      const auto at = static_cast<zip_uint64_t>(index);
      if (entry.unix_mode != 0) {
        zip_file_set_external_attributes(archive, at, 0, ZIP_OPSYS_UNIX, entry.unix_mode << 16U);
      }
      if (entry.encryption != ZIP_EM_NONE) {
        zip_file_set_encryption(archive, at, entry.encryption, "secret");
      }
    }
    EXPECT_EQ(zip_close(archive), 0);
    return file;
  }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
  }

  static std::string read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string refuse(const std::vector<Entry>& entries) {
    Diagnostics diagnostics;
    const auto opened = open_package(make_zip(entries), diagnostics);
    return opened ? "it opened" : opened.error().message;
  }

 private:
  fs::path folder_ = {};
};

std::string make_manifest(const std::string& model, const std::string& sha1,
                          const std::string& more = "") {
  return "{\r\n  \"DomainType\": \"ObjectDetection\",\r\n  \"Platform\": \"TensorFlow\",\r\n"
         "  \"Flavor\": null,\r\n  \"ExporterVersion\": \"2.1\",\r\n  \"ModelFileName\": \"" +
         model + "\",\r\n  \"LabelFileName\": \"labels.txt\",\r\n" + more +
         "  \"ModelFileSHA1\": \"" + sha1 + "\",\r\n  \"SchemaVersion\": \"1.0\"\r\n}";
}

TEST_F(ExportPackages, ReadTheManifestTheLabelsAndTheModelOfAnArchive) {
  const std::string model = "the model";
  const std::string file = make_zip(
      {{.name = "model.pb", .text = model},
       {.name = "cvexport.manifest", .text = make_manifest("model.pb", hash_sha1(bytes_of(model)))},
       {.name = "labels.txt", .text = "cat\r\nbig dog\r\n"},
       {.name = "metadata_properties.json",
        .text = R"({"CustomVision.Postprocess.Method": "Yolo"})"}});
  Diagnostics diagnostics;
  const auto opened = open_package(file, diagnostics);
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_EQ(view_text(opened->model.bytes()), model);
  EXPECT_EQ(opened->package.labels, (std::vector<std::string>{"cat", "big dog"}));
  EXPECT_EQ(opened->package.manifest.flavor, "");
  EXPECT_EQ(opened->package.manifest.exporter_version, "2.1");
  EXPECT_EQ(opened->package.properties.size(), 1U);
  EXPECT_EQ(opened->package.sha1_matches, true);
  EXPECT_TRUE(diagnostics.warnings().empty());
}

TEST_F(ExportPackages, FindTheModelOfADockerExportInItsAppFolder) {
  const std::string file =
      make_zip({{.name = "Dockerfile", .text = "FROM python"},
                {.name = "app/model.pb", .text = "m"},
                {.name = "app/labels.txt", .text = "a"},
                {.name = "app/cvexport.manifest", .text = make_manifest("model.pb", "")},
                {.name = "azureml/score.py", .text = ""}});
  Diagnostics diagnostics;
  const auto opened = open_package(file, diagnostics);
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_EQ(opened->package.model_entry, "app/model.pb");
  EXPECT_EQ(opened->package.labels_entry, "app/labels.txt");
  EXPECT_EQ(opened->package.sha1_matches, std::nullopt);
}

TEST_F(ExportPackages, AreFoldersToo) {
  write("export/model.tflite", "m");
  write("export/labels.txt", "a\nb");
  write("export/cvexport.manifest", make_manifest("model.tflite", "00"));
  Diagnostics diagnostics;
  const auto opened = open_package(path("export"), diagnostics);
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_EQ(view_text(opened->model.bytes()), "m");
  EXPECT_TRUE(looks_like_package(opened->files));
  EXPECT_EQ(opened->files.path_of(opened->package.model_entry), path("export/model.tflite"));
  ASSERT_EQ(diagnostics.warnings().size(), 1U);
  EXPECT_EQ(
      diagnostics.warnings().front(),
      "cvexport.manifest: ModelFileSHA1 is 00, but that of model.tflite is "
      "6b0d31c0d563223024da45691584643ac78c96e8: the model was exchanged after the export, or "
      "damaged");
}

TEST_F(ExportPackages, WithoutAManifestAreTakenWhereOneFileCanBeTheModel) {
  Diagnostics diagnostics;
  const auto opened = open_package(
      make_zip({{.name = "my.mlmodel", .text = "m"}, {.name = "readme", .text = ""}}), diagnostics);
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_EQ(opened->package.model_entry, "my.mlmodel");
  EXPECT_EQ(
      refuse({{.name = "a.pb", .text = "m"}, {.name = "b.tflite", .text = "m"}}),
      "no Custom Vision export: several models: a.pb, b.tflite; expected cvexport.manifest or "
      "one .mlmodel, .tflite or .pb file");
  EXPECT_EQ(refuse({{.name = "photo.jpg", .text = "m"}}),
            "no Custom Vision export: no model in it; expected cvexport.manifest or one .mlmodel, "
            ".tflite or .pb file");
}

TEST_F(ExportPackages, WithNamesThatLeaveTheirFolderAreRefused) {
  for (const char* name :
       {"../model.pb", "a/../../model.pb", "/model.pb", "C:/model.pb", "a\\model.pb", ".."}) {
    EXPECT_EQ(refuse({{.name = name, .text = "m"}}),
              "entry \"" + std::string(name) +
                  "\" of the ZIP archive would lie outside its folder; the archive is refused");
  }
}

TEST_F(ExportPackages, WithAManifestThatNamesAPathAreRefused) {
  EXPECT_EQ(refuse({{.name = "cvexport.manifest", .text = make_manifest("../model.pb", "")}}),
            "cvexport.manifest: ModelFileName is \"../model.pb\", expected a file's name");
}

TEST_F(ExportPackages, WithSymbolicLinksAreRefused) {
  EXPECT_EQ(refuse({{.name = "model.pb", .text = "/etc/passwd", .unix_mode = S_IFLNK | 0777U}}),
            "entry \"model.pb\" of the ZIP archive is a symbolic link; the archive is refused");
}

TEST_F(ExportPackages, WithEncryptedEntriesAreRefused) {
  EXPECT_EQ(refuse({{.name = "model.pb", .text = "m", .encryption = ZIP_EM_AES_256}}),
            "entry \"model.pb\" of the ZIP archive is encrypted");
}

TEST_F(ExportPackages, ThatUnpackToFarMoreThanTheyAreAreRefused) {
  EXPECT_EQ(refuse({{.name = "model.pb", .text = std::string(4U << 20U, '\0')}}),
            "entry \"model.pb\" of the ZIP archive unpacks 4080 bytes to 4194304, more than 250 "
            "times; the archive is refused");
}

TEST_F(ExportPackages, OfTooManyEntriesOrBytesAreRefused) {
  const std::string file = make_zip({{.name = "a", .text = "12345"}, {.name = "b", .text = "123"}});
  const std::string text = read(file);
  EXPECT_EQ(ZipArchive::open(bytes_of(text), {.entries = 1}).error().message,
            "the ZIP archive has 2 entries, more than 1");
  EXPECT_EQ(ZipArchive::open(bytes_of(text), {.total_bytes = 7}).error().message,
            "the ZIP archive unpacks to more than 7 bytes (at entry \"b\")");
  EXPECT_TRUE(ZipArchive::open(bytes_of(text), {.total_bytes = 8}));
}

TEST_F(ExportPackages, CutShortAnywhereGiveAnError) {
  const std::string whole = read(
      make_zip({{.name = "model.pb", .text = "some model"}, {.name = "labels.txt", .text = "a"}}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    const auto opened = ZipArchive::open(bytes_of(cut));
    ASSERT_FALSE(opened) << size;
    const std::string& message = opened.error().message;
    constexpr std::size_t kHead = 30;  // before it the first entry's sizes are not known
    if (size < kHead) {
      EXPECT_TRUE(message.starts_with("the ZIP archive is damaged or cut short: ")) << message;
      continue;
    }
    std::size_t has = 0;
    std::size_t needs = 0;
    EXPECT_EQ(
        std::sscanf(message.c_str(),
                    "the ZIP archive is cut short: %zu bytes, expected at least %zu", &has, &needs),
        2)
        << message;
    EXPECT_EQ(has, size);
    EXPECT_GT(needs, size);
    EXPECT_LE(needs, whole.size());
  }
}

TEST_F(ExportPackages, OfAnArchiveInAnArchiveSaySo) {
  EXPECT_EQ(refuse({{.name = "export.zip", .text = "PK"}}),
            "no Custom Vision export: no model in it but another archive, export.zip; unpack that; "
            "expected cvexport.manifest or one .mlmodel, .tflite or .pb file");
}

TEST_F(ExportPackages, AManifestThatNamesNoModelIsSaidToNameNone) {
  EXPECT_EQ(refuse({{.name = "cvexport.manifest", .text = "{}"}}),
            "no Custom Vision export: cvexport.manifest has no ModelFileName; no model in it; "
            "expected one .mlmodel, .tflite or .pb file");
}

TEST_F(ExportPackages, BinaryLabelsAreLeftOutWithAWarning) {
  Diagnostics diagnostics;
  const std::string file = make_zip(
      {{.name = "model.pb", .text = "m"}, {.name = "labels.txt", .text = std::string("a\0b", 3)}});
  const auto opened = open_package(file, diagnostics);
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_TRUE(opened->package.labels.empty());
  ASSERT_EQ(diagnostics.warnings().size(), 1U);
  EXPECT_EQ(diagnostics.warnings().front(),
            "labels.txt is not read as labels: byte 1 is 0x00, expected text with one label per "
            "line");
}

TEST_F(ExportPackages, WithAnyByteChangedGiveAnErrorOrTheSameModel) {
  const std::string model(300, 'm');
  const std::string whole = read(make_zip({{.name = "model.pb", .text = model}}));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    const auto opened = ZipArchive::open(bytes_of(changed));
    if (!opened || opened->find("model.pb") == nullptr) continue;
    const auto bytes = opened->read(*opened->find("model.pb"));
    if (bytes) {
      EXPECT_EQ(view_text(*bytes), model) << at;
    }
  }
}

TEST_F(ExportPackages, OfALaterMajorExporterAreRefusedAndOfALaterMinorOneTaken) {
  std::string manifest = make_manifest("model.pb", "");
  const auto at = manifest.find("2.1");
  EXPECT_EQ(refuse({{.name = "cvexport.manifest", .text = manifest.replace(at, 3, "3.0")}}),
            "cvexport.manifest: ExporterVersion is 3.0, read up to 2.x");
  EXPECT_EQ(refuse({{.name = "cvexport.manifest", .text = manifest.replace(at, 3, "2.9")},
                    {.name = "model.pb", .text = "m"}}),
            "it opened");
}

TEST_F(ExportPackages, ThatAreNoJsonOrOfTensorFlowJsSayWhat) {
  EXPECT_EQ(refuse({{.name = "cvexport.manifest", .text = "[1"}}),
            "cvexport.manifest: no JSON object");
  std::string manifest = make_manifest("model.zip", "");
  manifest.replace(manifest.find("null"), 4, "\"TensorFlowJs\"");
  EXPECT_EQ(refuse({{.name = "cvexport.manifest", .text = manifest},
                    {.name = "model.json", .text = "{}"}}),
            "a TensorFlow.js export, which is not read; export the iteration as TensorFlow or "
            "TensorFlow Lite");
}

TEST_F(ExportPackages, KeepEverythingButTheModelAndItsHash) {
  const std::string manifest = make_manifest("model.pb", std::string(40, '0'));
  const std::string text = read(make_zip({{.name = "model.pb", .text = std::string(500, 'm')},
                                          {.name = "LICENSE", .text = std::string(900, 'x')},
                                          {.name = "cvexport.manifest", .text = manifest},
                                          {.name = "labels.txt", .text = "a"}}));
  Diagnostics diagnostics;
  write("in.zip", text);
  const auto opened = open_package(path("in.zip"), diagnostics);
  ASSERT_TRUE(opened) << opened.error().to_string();
  const std::string model = "new ";
  const std::string rest = "model";
  const std::vector<Bytes> pieces = {bytes_of(model), bytes_of(rest)};
  const auto written = with_model(*opened, pieces);
  ASSERT_TRUE(written) << written.error().to_string();
  const auto again = with_model(*opened, pieces);
  EXPECT_EQ(*written, *again);

  const auto archive = ZipArchive::open(*written);
  ASSERT_TRUE(archive) << archive.error().to_string();
  ASSERT_EQ(archive->entries().size(), 4U);
  std::string expected = manifest;
  expected.replace(expected.find("0000"), 40, hash_sha1(bytes_of("new model")));
  EXPECT_EQ(view_text(*archive->read(*archive->find("model.pb"))), "new model");
  EXPECT_EQ(view_text(*archive->read(*archive->find("cvexport.manifest"))), expected);
  EXPECT_EQ(view_text(*archive->read(*archive->find("LICENSE"))), std::string(900, 'x'));
  // The licence's packed bytes, which follow its name in the local header, are the very same.
  const std::string_view packed = std::string_view(text).substr(
      text.find("LICENSE"),
      std::string_view("LICENSE").size() + archive->find("LICENSE")->packed_bytes);
  EXPECT_LT(archive->find("LICENSE")->packed_bytes, 900U);
  EXPECT_NE(view_text(*written).find(packed), std::string_view::npos);
}

TEST_F(ExportPackages, AreWrittenAnewWhereTheLargerPartLiesBeforeTheModel) {
  std::string picture(4000, '\0');  // packing does not shrink it
  std::uint32_t state = 1;
  for (char& c : picture) {
    state = state * 1103515245U + 12345U;
    c = static_cast<char>(state >> 16U);
  }
  for (const std::size_t pictures : {1U, 2U, 40U}) {
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < pictures; ++i) {
      entries.push_back({.name = std::to_string(i) + ".jpg", .text = picture});
    }
    entries.push_back({.name = "model.pb", .text = picture.substr(0, 1000)});
    const std::string file = make_zip(entries);
    const std::string before = read(file);
    Diagnostics diagnostics;
    const auto opened = open_package(file, diagnostics);
    ASSERT_TRUE(opened) << opened.error().to_string();
    for (const std::size_t size : {std::size_t{1}, std::size_t{900}, std::size_t{100'000}}) {
      const std::string model(size, 'x');
      const Bytes piece = bytes_of(model);
      const auto written = with_model(*opened, {&piece, 1});
      ASSERT_TRUE(written) << written.error().to_string();
      const auto archive = ZipArchive::open(*written);
      ASSERT_TRUE(archive) << archive.error().to_string();
      EXPECT_EQ(view_text(*archive->read(*archive->find("model.pb"))), model);
      EXPECT_EQ(view_text(*archive->read(*archive->find("0.jpg"))), picture);
      EXPECT_EQ(view_text(opened->files.whole_bytes()), before)
          << "the source is read, not written";
    }
  }
}

TEST_F(ExportPackages, GetTheHashWhereAReaderLooksForIt) {
  const std::string model = "new";
  const std::string sha1 = hash_sha1(bytes_of(model));
  const std::vector<std::pair<std::string, std::string>> manifests = {
      // The word as a value, the key twice, a quote within the text.
      {R"({"ModelFileName":"m.pb","Note":"ModelFileSHA1","ModelFileSHA1":"00"})",
       R"({"ModelFileName":"m.pb","Note":"ModelFileSHA1","ModelFileSHA1":")" + sha1 + "\"}"},
      {R"({"ModelFileName":"m.pb","ModelFileSHA1":"00","ModelFileSHA1":"11"})",
       R"({"ModelFileName":"m.pb","ModelFileSHA1":"00","ModelFileSHA1":")" + sha1 + "\"}"},
      {R"({"ModelFileName":"m.pb","ModelFileSHA1" : "0\"0","A":{"ModelFileSHA1":"2"}})",
       R"({"ModelFileName":"m.pb","ModelFileSHA1" : ")" + sha1 +
           R"(","A":{"ModelFileSHA1":"2"}})"}};
  for (const auto& [given, expected] : manifests) {
    const std::string file =
        make_zip({{.name = "m.pb", .text = "old"}, {.name = "cvexport.manifest", .text = given}});
    Diagnostics diagnostics;
    const auto opened = open_package(file, diagnostics);
    ASSERT_TRUE(opened) << opened.error().to_string();
    const std::string text = read(file);
    const std::vector<Bytes> pieces = {bytes_of(model)};
    const auto written = with_model(*opened, pieces);
    ASSERT_TRUE(written) << written.error().to_string();
    const auto archive = ZipArchive::open(*written);
    ASSERT_TRUE(archive) << archive.error().to_string();
    EXPECT_EQ(view_text(*archive->read(*archive->find("cvexport.manifest"))), expected);
  }
}

TEST_F(ExportPackages, OfAVersionBeyondEveryNumberAreRefused) {
  EXPECT_EQ(
      refuse({{.name = "cvexport.manifest", .text = R"({"ExporterVersion": "99999999999.1"})"},
              {.name = "model.pb", .text = "m"}}),
      "cvexport.manifest: ExporterVersion is 99999999999.1, read up to 2.x");
}

TEST_F(ExportPackages, OfEveryKindThatWasCollectedAreRead) {
  VP_SKIP_WITHOUT_SHARED();
  const fs::path manifests = find_shared_folder() + "/models/custom-vision/manifests";
  std::size_t seen = 0;
  for (const auto& file : fs::directory_iterator(manifests)) {
    if (!file.path().string().ends_with("cvexport.manifest")) continue;
    const std::string manifest = read(file.path());
    std::vector<Entry> entries = {{.name = "cvexport.manifest", .text = manifest},
                                  {.name = "labels.txt", .text = "a"}};
    const std::size_t named = manifest.find("model.");
    const std::string name = named == std::string::npos
                                 ? "saved_model.pb"
                                 : manifest.substr(named, manifest.find('"', named) - named);
    entries.push_back({.name = name, .text = "m"});
    const std::string answer = refuse(entries);
    EXPECT_TRUE(answer == "it opened" || answer.starts_with("a TensorFlow.js export"))
        << file.path() << ": " << answer;
    ++seen;
  }
  EXPECT_GE(seen, 15U);
}

}  // namespace
}  // namespace visionpress
