#include "cloud/http_client.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
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
    limit = asked.requests.front().limit;
  }
  milliseconds limit = {};  ///< of the first sending
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

TEST(HttpClient, DoesNotTryAgainWhereNobodyListensOnThisComputer) {
  EXPECT_EQ(Trial({no_answer(HttpFailure::Refused), answer(200)}, Repeat::Harmless).sent, 1U);
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

TEST(HttpClient, GivesUpWhenARequestTakesTooLongInAll) {
  RetryPolicy policy;
  policy.first_wait = milliseconds(100);
  policy.longest_in_all = milliseconds(40);  // less than half of the first wait, which is the least
  const Trial trial({answer(500), answer(200)}, Repeat::Harmless, policy);
  EXPECT_EQ(trial.sent, 1U);
  EXPECT_GT(trial.limit, milliseconds(0));
  EXPECT_LE(trial.limit, milliseconds(40));
}

TEST(LoopbackUrl, IsToldFromNamesThatLookAlike) {
  for (const char* url : {"http://localhost", "http://localhost:80/a", "https://127.0.0.1/",
                          "http://127.8.9.1:1?a", "http://[::1]:8000/", "http://me@localhost/"}) {
    EXPECT_TRUE(is_loopback_url(url)) << url;
  }
  for (const char* url : {"http://127.example.com", "https://localhost.example.com/", "localhost",
                          "https://example.com/127.0.0.1", "https://example.com?@localhost/",
                          "http://localhost@example.com/", "http://[::2]/", "http://10.0.0.1/"}) {
    EXPECT_FALSE(is_loopback_url(url)) << url;
  }
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
  // Nothing that passes by itself: asked again, a mistyped port would cost a minute of silence.
  EXPECT_EQ(reply.failure, HttpFailure::Refused);
  EXPECT_FALSE(reply.reason.empty());
}

/// A server on this computer that answers one connection by a function of its descriptor.
class OneConnection {
 public:
  explicit OneConnection(std::function<void(int)> answer) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = view_as<sockaddr>(&address);
    EXPECT_EQ(::bind(listener_, any, size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    ::getsockname(listener_, any, &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, run = std::move(answer)] {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      run(connection);
      ::close(connection);
    });
  }
  OneConnection(const OneConnection&) = delete;
  OneConnection& operator=(const OneConnection&) = delete;
  ~OneConnection() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}/", port_); }
  [[nodiscard]] int port() const { return port_; }

 private:
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_ = {};
};

bool say(int connection, std::string_view text) {
  return ::send(connection, text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

/// A byte every 20 ms, for as long as somebody takes them.
void drip(int connection) {
  bool taken = say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
  while (taken) {
    std::this_thread::sleep_for(milliseconds(20));
    taken = say(connection, "x");
  }
}

TEST(CurlTransport, EndsADripByTheRequestsLimit) {
  const OneConnection server(drip);
  auto transport = make_curl_transport(seconds(60));
  HttpRequest request;
  request.url = server.url();
  request.limit = milliseconds(300);
  const HttpReply reply = transport->send(request);
  EXPECT_EQ(reply.failure, HttpFailure::Hopeless);
  EXPECT_EQ(reply.reason, "the answer is not whole after 1 s");
}

TEST(CurlTransport, EndsADripThatIsAsGoodAsSilence) {
  const OneConnection server(drip);
  auto transport = make_curl_transport(seconds(2));
  HttpRequest request;
  request.url = server.url();
  const HttpReply reply = transport->send(request);
  EXPECT_EQ(reply.failure, HttpFailure::Lost);
}

/// Sets an environment variable for a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

TEST(CurlTransport, ShowsAProxyNothingThatIsForThisComputer) {
  std::atomic<bool> is_asked = false;
  const OneConnection proxy([&](int connection) {
    is_asked = true;
    say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  });
  const OneConnection server(
      [](int connection) { say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"); });
  const std::string address = fmt::format("http://127.0.0.1:{}", proxy.port());
  const Variable http("http_proxy", address);
  const Variable all("ALL_PROXY", address);
  auto transport = make_curl_transport(seconds(5));
  for (const std::string& url : {server.url(), std::string("http://localhost:1/")}) {
    HttpRequest request;
    request.url = url;
    request.headers = {{"Training-Key", "SECRET"}};
    const HttpReply reply = transport->send(request);
    EXPECT_NE(reply.body, "{}") << url;
  }
  EXPECT_FALSE(is_asked);
}

TEST(CurlTransport, CarriesNoKeyAlongARedirect) {
  std::atomic<bool> is_asked = false;
  const OneConnection other([&](int) { is_asked = true; });
  const OneConnection server([&](int connection) {
    say(connection, fmt::format("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
                                other.url()));
  });
  auto transport = make_curl_transport(seconds(5));
  HttpRequest request;
  request.url = server.url();
  request.headers = {{"Training-Key", "SECRET"}};
  const HttpReply reply = transport->send(request);
  EXPECT_EQ(reply.status, 302);
  EXPECT_FALSE(is_asked);
}

TEST(CurlTransport, RefusesOtherProtocols) {
  auto transport = make_curl_transport(seconds(5));
  HttpRequest request;
  request.url = "file:///etc/hostname";
  EXPECT_EQ(transport->send(request).failure, HttpFailure::Hopeless);
}

}  // namespace
}  // namespace visionpress
