#include "visionpress/serve.h"

#include <csignal>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(PredictionServer, LeavesWhatTheProcessDoesAboutSignalsAsItIs) {
  ASSERT_NE(std::signal(SIGPIPE, SIG_DFL), SIG_ERR);
  {
    const auto server = PredictionServer::start(VP_SOURCE_DIR "/demo/model/model.tflite",
                                                {.fetches_urls = true, .threads = 1});
    ASSERT_TRUE(server) << server.error().to_string();
    struct sigaction action = {};
    ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &action), 0);
    EXPECT_TRUE(action.sa_handler == SIG_DFL);
  }
}

}  // namespace
}  // namespace visionpress
