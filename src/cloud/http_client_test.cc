#include "cloud/http_client.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "cloud/fake_transport_testonly.h"

namespace visionpress {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Sends one request into a list of replies; notes the waits.
struct Trial {
  std::vector<milliseconds> waits = {};
  HttpReply last = {};

  Trial(std::vector<HttpReply> replies, Repeat repeat, RetryPolicy policy = {}) {
    auto fake = std::make_unique<FakeTransport>(std::move(replies));
    FakeTransport& asked = *fake;
    HttpClient client(std::move(fake), policy,
                      [this](milliseconds time) { waits.push_back(time); });
    HttpRequest request;
    request.repeat = repeat;
    last = client.send(request);
    sent = asked.requests.size();
  }
  std::size_t sent = 0;
};

HttpReply lost() { return no_answer(HttpFailure::Lost); }
HttpReply not_reached() { return no_answer(HttpFailure::NotReached); }

TEST(HttpClient, SendsAHarmlessRequestAgainAfterEveryPassingFailure) {
  const Trial trial({answer(429), answer(500), answer(503), lost(), not_reached(), answer(200)},
                    Repeat::Harmless);
  EXPECT_EQ(trial.sent, 6U);
  EXPECT_EQ(trial.last.status, 200);
}

TEST(HttpClient, LeavesTheUnansweredToTheCallerWhereARepeatCouldActTwice) {
  EXPECT_EQ(Trial({lost(), answer(200)}, Repeat::IfUnseen).sent, 1U);
  EXPECT_EQ(Trial({answer(500), answer(200)}, Repeat::IfUnseen).sent, 1U);
  EXPECT_EQ(Trial({not_reached(), answer(429), answer(200)}, Repeat::IfUnseen).sent, 3U);
}

TEST(HttpClient, TakesAnAnswerAsOne) {
  for (const int status : {200, 204, 301, 400, 401, 404, 409}) {
    EXPECT_EQ(Trial({answer(status), answer(200)}, Repeat::Harmless).sent, 1U) << status;
  }
}

TEST(HttpClient, DoesNotTryAgainWithABadCertificate) {
  EXPECT_EQ(Trial({no_answer(HttpFailure::Hopeless), answer(200)}, Repeat::Harmless).sent, 1U);
}

TEST(HttpClient, WaitsTwiceAsLongEachTimeUpToALimit) {
  RetryPolicy policy;
  policy.retries = 6;
  policy.longest_wait = milliseconds(4000);
  const Trial trial(std::vector<HttpReply>(7, answer(500)), Repeat::Harmless, policy);
  EXPECT_EQ(trial.sent, 7U);
  ASSERT_EQ(trial.waits.size(), 6U);
  const std::vector<int> full = {500, 1000, 2000, 4000, 4000, 4000};
  for (std::size_t i = 0; i < full.size(); ++i) {
    EXPECT_GE(trial.waits[i].count(), full[i] / 2);
    EXPECT_LE(trial.waits[i].count(), full[i]);
  }
}

TEST(HttpClient, WaitsAsLongAsTheServerAsks) {
  HttpReply header = answer(429);
  header.retry_after = seconds(7);
  const HttpReply text = answer(
      429, R"({"error":{"code":"429","message":"Rate limit. Please retry after 2 seconds."}})");
  const Trial trial({header, text, answer(200)}, Repeat::Harmless);
  ASSERT_EQ(trial.waits.size(), 2U);
  EXPECT_GE(trial.waits[0], seconds(7));
  EXPECT_LE(trial.waits[0], milliseconds(7250));
  EXPECT_GE(trial.waits[1], seconds(2));
}

TEST(HttpClient, GivesUpAtOnceWhenTheServerAsksForHours) {
  HttpReply reply = answer(429);
  reply.retry_after = seconds(86400);
  const Trial trial({reply, answer(200)}, Repeat::Harmless);
  EXPECT_EQ(trial.sent, 1U);
  EXPECT_TRUE(trial.waits.empty());
}

TEST(HttpClient, ReadsTheWaitInAllItsWordings) {
  EXPECT_EQ(find_asked_wait(answer(429, "Retry After 1 second")), seconds(1));
  EXPECT_EQ(find_asked_wait(answer(429, "retry after 12 seconds.")), seconds(12));
  EXPECT_EQ(find_asked_wait(answer(429, "retry after lunch")), std::nullopt);
  EXPECT_EQ(find_asked_wait(answer(429, "retry after 12 apples")), std::nullopt);
  EXPECT_EQ(find_asked_wait(answer(200, "retry after 12 seconds")), std::nullopt);
}

TEST(EncodeUrlPart, EncodesAllThatIsNotPlain) {
  EXPECT_EQ(encode_url_part("Iteration 1/ä"), "Iteration%201%2F%C3%A4");
  EXPECT_EQ(encode_url_part("a-b._~Z9"), "a-b._~Z9");
}

TEST(DescribeUrl, LeavesOutSignaturesAndPasswords) {
  EXPECT_EQ(describe_url("https://host/a/b.zip?sig=SECRET"), "https://host/a/b.zip");
  EXPECT_EQ(describe_url("https://me:SECRET@host/a"), "https://host/a");
  EXPECT_EQ(describe_url("https://host/a@b"), "https://host/a@b");
}

TEST(CurlTransport, SaysThatNobodyIsThere) {
  auto transport = make_curl_transport(seconds(5));
  HttpRequest request;
  request.url = "http://127.0.0.1:1/";  // tcpmux: not served here
  const HttpReply reply = transport->send(request);
  EXPECT_EQ(reply.failure, HttpFailure::NotReached);
  EXPECT_FALSE(reply.reason.empty());
}

TEST(CurlTransport, RefusesOtherProtocols) {
  auto transport = make_curl_transport(seconds(5));
  HttpRequest request;
  request.url = "file:///etc/hostname";
  EXPECT_EQ(transport->send(request).failure, HttpFailure::Hopeless);
}

}  // namespace
}  // namespace visionpress
