#include "cloud/request_reader.h"

#include <algorithm>
#include <optional>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace visionpress {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kHeadBytes = 64 << 10;
constexpr std::size_t kLineBytes = 8 << 10;
constexpr std::size_t kLastChunkBytes = 5;     // "0" and two line ends
constexpr std::size_t kPieceBytes = 16 << 10;  // asked of the socket at a time

using Parser = http::request_parser<http::string_body>;
using Step = RequestReader::Step;

/// Looks at a head's bytes as they come, since the parser waits for its end before it tells of
/// bare line feeds, and unfolds folded lines (RFC 9112, 2.2 and 5.2: both may be refused).
class LineEnds {
 public:
  /// False: a line feed without its carriage return or the reverse, or a folded line.
  [[nodiscard]] bool take(char c) {
    const bool good = (c == '\n') == (last_ == '\r') && (last_ != '\n' || (c != ' ' && c != '\t'));
    last_ = c;
    return good;
  }

 private:
  char last_ = 0;
};

/// The host of a target that is a whole address, taken off it; nothing for other targets.
std::optional<std::string> take_authority(std::string& target) {
  constexpr std::string_view kScheme = "http://";
  if (!equal_ignoring_case(std::string_view(target).substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  const std::size_t end = std::min(target.find_first_of("/?", kScheme.size()), target.size());
  std::string host = target.substr(kScheme.size(), end - kScheme.size());
  target.erase(0, end);
  if (!target.starts_with('/')) target.insert(0, 1, '/');
  return host;
}

/// RFC 9112, 7.1.1: no control character but a tab stands in an extension, quoted or not; the
/// parser takes any within quotes. A proxy that ends the line there would see another request
/// behind it.
void check_extensions(std::uint64_t, boost::beast::string_view extensions,
                      boost::system::error_code& error) {
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  };
  if (std::ranges::any_of(extensions, is_control)) error = http::error::bad_chunk_extension;
}

}  // namespace

struct RequestReader::Impl {
  explicit Impl(std::size_t max_body_bytes) : most(max_body_bytes) { begin(); }

  void begin() {
    parser.emplace();
    parser->on_chunk_header(check_extensions);
    parser->header_limit(kHeadBytes);
    parser->body_limit(boost::none);  // so that a head with too long a body is still read
    ends = {};
    looked_at = head_bytes = least = 0;
    begun = reads_body = false;
    request = {};
  }
  [[nodiscard]] Step read_head();
  [[nodiscard]] Step read_body();
  [[nodiscard]] bool check_lines(std::size_t end);
  [[nodiscard]] bool take_head();

  std::size_t most;
  boost::beast::flat_buffer buffer{};  // its parser's own limits bound it
  std::optional<Parser> parser = std::nullopt;
  LineEnds ends = {};
  std::size_t looked_at = 0;   ///< bytes of `buffer` that `ends` has seen
  std::size_t head_bytes = 0;  ///< that have left `buffer`
  std::size_t least = 0;       ///< bytes of `buffer` that the parser wants to go on
  bool begun = false;
  bool reads_body = false;
  ServerRequest request = {};
};

bool RequestReader::Impl::check_lines(std::size_t end) {
  const char* text = static_cast<const char*>(buffer.data().data());
  for (; looked_at < end; ++looked_at) {
    if (!ends.take(text[looked_at])) return false;
  }
  return true;
}

Step RequestReader::Impl::read_head() {
  if (buffer.size() == 0) return Step::NeedMore;
  if (!begun) {
    // RFC 9112, 2.2: an empty line before a request is passed over; clients of old sent one.
    const std::string_view text(static_cast<const char*>(buffer.data().data()), buffer.size());
    if (text == "\r") return Step::NeedMore;
    if (text.starts_with("\r\n")) buffer.consume(2);
    if (buffer.size() == 0) return Step::NeedMore;
  }
  begun = true;
  boost::system::error_code error;
  const std::size_t used = parser->put(buffer.data(), error);
  const bool done = parser->is_header_done();
  const bool wants_more = error == http::error::need_more;
  if (!check_lines(done ? used : buffer.size()) || (error && !wants_more)) return Step::Malformed;
  buffer.consume(used);
  looked_at -= used;
  head_bytes += used;
  if (!done) return head_bytes + buffer.size() > kHeadBytes ? Step::Malformed : Step::NeedMore;
  return take_head() ? Step::Head : Step::Malformed;
}

bool RequestReader::Impl::take_head() {
  Parser::value_type& message = parser->get();
  request.method = std::string_view(message.method_string());
  request.target = std::string_view(message.target());
  if (request.method.size() + request.target.size() > kLineBytes) return false;
  int hosts = 0;
  int codings = 0;
  for (const auto& field : message) {
    std::string name(std::string_view(field.name_string()));
    std::string value(std::string_view(field.value()));
    if (field.name() == http::field::host) {
      ++hosts;
      request.host = value;
    } else if (field.name() == http::field::transfer_encoding) {
      ++codings;
      // Any other coding would hide where the body ends.
      if (!equal_ignoring_case(value, "chunked")) return false;
    }
    request.headers.emplace_back(std::move(name), std::move(value));
  }
  constexpr unsigned kVersion11 = 11;
  const bool is_old = message.version() < kVersion11;
  if (hosts > 1 || (hosts == 0 && !is_old) || codings > 1 || (codings > 0 && is_old)) return false;
  if (auto host = take_authority(request.target)) request.host = std::move(*host);
  return true;
}

Step RequestReader::Impl::read_body() {
  while (!parser->is_done()) {
    if (buffer.size() == 0 || buffer.size() < least) return Step::NeedMore;
    boost::system::error_code error;
    // A call takes one piece: a chunk's line, its bytes, or the last chunk with all trailers.
    const std::size_t used = parser->put(buffer.data(), error);
    if (parser->is_done() && parser->chunked()) {
      ends = {};
      looked_at = 0;
      if (!check_lines(used)) return Step::Malformed;
    }
    buffer.consume(used);
    if (error == http::error::need_more) {
      // What is left are lines too: a chunk's size and extensions, or trailers.
      ends = {};
      looked_at = 0;
      const bool good = check_lines(buffer.size()) && buffer.size() <= kHeadBytes;
      // A whole line that was not used is the last chunk's; Boost 1.81 asserts that all of that
      // chunk is there when it is called again.
      const std::string_view left(static_cast<const char*>(buffer.data().data()), buffer.size());
      least = left.find('\n') == std::string_view::npos ? 0 : kLastChunkBytes;
      return good ? Step::NeedMore : Step::Malformed;
    }
    if (error == http::error::body_limit) return Step::TooLarge;
    if (error) return Step::Malformed;
  }
  request.body = std::move(parser->get().body());
  return Step::Whole;
}

RequestReader::RequestReader(std::size_t max_body_bytes)
    : impl_(std::make_unique<Impl>(max_body_bytes)) {}

RequestReader::~RequestReader() = default;

std::span<char> RequestReader::prepare() {
  const auto room = impl_->buffer.prepare(kPieceBytes);
  return {static_cast<char*>(room.data()), room.size()};
}

void RequestReader::commit(std::size_t count) { impl_->buffer.commit(count); }

Step RequestReader::advance() {
  return impl_->reads_body ? impl_->read_body() : impl_->read_head();
}

bool RequestReader::begin_body() {
  Parser& parser = *impl_->parser;
  if (parser.content_length().value_or(0) > impl_->most) return false;
  impl_->reads_body = true;
  parser.body_limit(impl_->most);
  return true;
}

void RequestReader::begin_next() { impl_->begin(); }

bool RequestReader::has_begun() const { return impl_->begun || impl_->buffer.size() > 0; }

bool RequestReader::has_body() const { return !impl_->parser->is_done(); }

bool RequestReader::expects_continue() const {
  return equal_ignoring_case(impl_->request.find_header("Expect"), "100-continue");
}

bool RequestReader::keeps_alive() const { return impl_->parser->keep_alive(); }

std::size_t RequestReader::body_bytes() const { return impl_->parser->get().body().size(); }

ServerRequest& RequestReader::request() { return impl_->request; }

}  // namespace visionpress
