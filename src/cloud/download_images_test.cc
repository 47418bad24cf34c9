#include "cloud/download_images.h"

#include <chrono>
#include <filesystem>
#include <latch>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/temporary_folder_testonly.h"
#include "cloud/fake_transport_testonly.h"
#include "eval/image.h"

namespace visionpress {
namespace {

constexpr const char* kPicture = VP_SOURCE_DIR "/demo/images/scene-01.jpg";

class DownloadImages : public testing::Test {
 protected:
  void SetUp() override {
    const auto file = MappedFile::open(kPicture);
    ASSERT_TRUE(file);
    picture_ = std::string(view_text(file->bytes()));
    const auto size = load_image_size(kPicture);
    ASSERT_TRUE(size);
    image_ = {.id = 1,
              .file_name = "a.jpg",
              .url = "http://x/a.jpg",
              .width = size->width,
              .height = size->height};
  }
  [[nodiscard]] Result<Downloads> download(FakeTransport::Respond respond,
                                           bool overwrite = false) const {
    return download_images(
        {&image_, 1},
        {.folder = folder_.path(),
         .parallel = 1,
         .retries = 0,
         .overwrite = overwrite,
         .make_transport = [&] { return std::make_unique<FakeTransport>(respond); }},
        {});
  }
  static HttpReply refuse(const HttpRequest& /*request*/) { return answer(404); }

  TemporaryFolder folder_ = {};
  std::string picture_ = {};
  CocoImage image_ = {};
};

TEST_F(DownloadImages, WritesTheImageOfItsAddress) {
  const auto downloads = download([this](const HttpRequest& request) {
    EXPECT_EQ(request.url, "http://x/a.jpg");
    return answer(200, picture_);
  });
  ASSERT_TRUE(downloads) << downloads.error().to_string();
  EXPECT_EQ(downloads->downloaded, 1U);
  EXPECT_EQ(downloads->downloaded_bytes, picture_.size());
  EXPECT_EQ(downloads->faults, std::vector<std::string>{""});
  EXPECT_EQ(folder_.read("a.jpg"), picture_);
}

TEST_F(DownloadImages, KeepsACompleteImageWithoutAsking) {
  folder_.write("a.jpg", picture_);
  const auto downloads = download(refuse);
  ASSERT_TRUE(downloads);
  EXPECT_EQ(downloads->kept, 1U);
  EXPECT_EQ(downloads->faults, std::vector<std::string>{""});
}

TEST_F(DownloadImages, ReplacesADownloadThatWasCutShort) {
  folder_.write("a.jpg", "cut short");
  const auto downloads = download([this](const HttpRequest&) { return answer(200, picture_); });
  ASSERT_TRUE(downloads);
  EXPECT_EQ(downloads->downloaded, 1U);
}

TEST_F(DownloadImages, LeavesAnotherCompletePictureUnlessItMayReplaceIt) {
  image_.width += 1;
  folder_.write("a.jpg", picture_);
  const auto left = download(refuse);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->faults[0], "is there and is another image; --force overwrites it");
  const auto asked = download(refuse, true);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->faults[0], "status 404");
}

TEST_F(DownloadImages, RefusesAnImageOfAnotherSize) {
  image_.width += 1;
  const auto downloads = download([this](const HttpRequest&) { return answer(200, picture_); });
  ASSERT_TRUE(downloads);
  EXPECT_NE(downloads->faults[0].find("pixels, expected"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_.path("a.jpg")));
}

TEST_F(DownloadImages, EndsWhereTheNetworkIsGone) {
  const auto downloads =
      download([](const HttpRequest&) { return no_answer(HttpFailure::NotReached); });
  ASSERT_FALSE(downloads);
  EXPECT_EQ(downloads.error().kind, ErrorKind::Io);
}

TEST_F(DownloadImages, NamesTheFirstImageThatFailedWhicheverThreadIsFaster) {
  std::vector<CocoImage> images(2, image_);
  images[1].file_name = "b.jpg";
  images[1].url = "http://x/b.jpg";
  std::latch second(1);
  const FakeTransport::Respond respond = [&](const HttpRequest& request) {
    if (request.url == images[1].url) {
      second.count_down();
    } else {
      second.wait();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // until its failure is noted
    }
    return no_answer(HttpFailure::NotReached);
  };
  const auto downloads =
      download_images(images,
                      {.folder = folder_.path(),
                       .parallel = 2,
                       .retries = 0,
                       .make_transport = [&] { return std::make_unique<FakeTransport>(respond); }},
                      {});
  ASSERT_FALSE(downloads);
  EXPECT_NE(downloads.error().message.find("a.jpg"), std::string::npos)
      << downloads.error().message;
}

}  // namespace
}  // namespace visionpress
