#include "cloud/curl_library.h"

#include <string_view>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(CurlLibrary, IsLoadedOnceAndAnswers) {
  const CurlLibrary* curl = load_curl();
  ASSERT_NE(curl, nullptr);
  EXPECT_EQ(load_curl(), curl);
  EXPECT_EQ(std::string_view(curl->easy_strerror(CURLE_OK)), "No error");
  CURL* handle = curl->easy_init();
  ASSERT_NE(handle, nullptr);
  EXPECT_EQ(curl->easy_setopt(handle, CURLOPT_NOSIGNAL, 1L), CURLE_OK);
  curl->easy_cleanup(handle);
}

}  // namespace
}  // namespace visionpress
