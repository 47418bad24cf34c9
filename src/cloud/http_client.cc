#include "cloud/http_client.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/ascii.h"
#include "cloud/host_rules.h"

namespace visionpress {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool may_repeat(const HttpReply& reply, Repeat repeat) {
  if (reply.failure == HttpFailure::Hopeless || reply.failure == HttpFailure::Refused) return false;
  if (reply.failure == HttpFailure::NotReached || reply.status == 429) return true;
  if (repeat == Repeat::IfUnseen) return false;
  return reply.failure == HttpFailure::Lost || reply.status == 408 || !reply.is_answer();
}

}  // namespace

HttpClient::HttpClient(std::unique_ptr<HttpTransport> transport, const RetryPolicy& policy,
                       Sleep sleep)
    : transport_(std::move(transport)),
      policy_(policy),
      sleep_(sleep ? std::move(sleep)
                   : [](milliseconds time) { std::this_thread::sleep_for(time); }),
      random_(std::random_device{}()) {}

HttpReply HttpClient::send(HttpRequest request, Clock::time_point began) {
  for (int attempt = 0;; ++attempt) {
    if (policy_.longest_in_all.count() > 0) {
      const auto left =
          policy_.longest_in_all - std::chrono::duration_cast<milliseconds>(Clock::now() - began);
      request.limit = std::max(left, milliseconds(1));  // 0 would be none
    }
    HttpReply reply = transport_->send(request);
    if (!may_repeat(reply, request.repeat) || !pause(attempt, reply, began)) return reply;
  }
}

bool HttpClient::pause(int attempt, const HttpReply& reply, Clock::time_point began) {
  if (attempt >= policy_.retries) return false;
  // Half of a wait is chance, so that clients that failed together do not come back together.
  const double share = std::uniform_real_distribution<double>(0.5, 1.0)(random_);
  const auto first = static_cast<double>(policy_.first_wait.count());
  const double doubled = first * std::exp2(std::min(attempt, 30));
  const double own = std::min(doubled, static_cast<double>(policy_.longest_wait.count())) * share;
  const auto asked = find_asked_wait(reply);
  if (asked && *asked > policy_.longest_asked) return false;
  const auto wait = asked ? *asked + milliseconds(static_cast<std::int64_t>(first * (share - 0.5)))
                          : milliseconds(static_cast<std::int64_t>(own));
  const bool is_late =
      policy_.longest_in_all.count() > 0 && Clock::now() - began + wait >= policy_.longest_in_all;
  if (is_late) return false;
  if (policy_.on_wait) policy_.on_wait(wait, attempt, reply);
  sleep_(wait);
  return true;
}

std::optional<seconds> find_asked_wait(const HttpReply& reply) {
  if (reply.retry_after) return reply.retry_after;
  if (reply.status != 429 && reply.is_answer()) return std::nullopt;
  const std::string text = ascii_lower(reply.body);
  constexpr std::string_view kWords = "retry after ";
  const std::size_t at = text.find(kWords);
  if (at == std::string::npos) return std::nullopt;
  std::int64_t count = 0;
  const char* const begin = text.data() + at + kWords.size();
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(begin, end, count);
  if (code != std::errc() || count < 0) return std::nullopt;
  if (!std::string_view(rest, end).starts_with(" second")) return std::nullopt;
  return seconds(count);
}

bool is_loopback_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  std::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#\\"));
  host.remove_prefix(host.rfind('@') == std::string_view::npos ? 0 : host.rfind('@') + 1);
  return is_loopback_host(host, "");
}

std::string encode_url_part(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = is_ascii_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

std::string describe_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const std::size_t host = scheme + 3;
  const std::size_t path = std::min(url.find('/', host), url.size());
  const std::size_t user = url.substr(host, path - host).rfind('@');
  if (user == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(url.substr(host + user + 1));
}

}  // namespace visionpress
