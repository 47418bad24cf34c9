#pragma once

// A transport for tests: answers from a list or by a function, and keeps what it was sent.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cloud/http_client.h"

namespace visionpress {

inline HttpReply answer(int status, std::string body = {}) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

inline HttpReply no_answer(HttpFailure failure) {
  HttpReply reply;
  reply.failure = failure;
  reply.reason = "made up";
  return reply;
}

class FakeTransport : public HttpTransport {
 public:
  using Respond = std::function<HttpReply(const HttpRequest&)>;

  explicit FakeTransport(Respond respond) : respond_(std::move(respond)) {}
  /// One reply after the other; 599 when there are no more.
  explicit FakeTransport(std::vector<HttpReply> replies)
      : respond_([list = std::move(replies), next = std::size_t{0}](const HttpRequest&) mutable {
          return next < list.size() ? list[next++] : answer(599, "the test has no more replies");
        }) {}

  HttpReply send(const HttpRequest& request) override {
    requests.push_back(request);
    return respond_(request);
  }

  std::vector<HttpRequest> requests = {};

 private:
  Respond respond_;
};

}  // namespace visionpress
