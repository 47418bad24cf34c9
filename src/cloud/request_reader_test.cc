#include "cloud/request_reader.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <zlib.h>

#include "base/bytes.h"
#include "cloud/content_coding.h"

namespace visionpress {
namespace {

constexpr std::size_t kMost = 100;
using Step = RequestReader::Step;

struct Outcome {
  Step step = Step::NeedMore;
  ServerRequest request = {};
};

/// Reads one request out of `bytes`, which come `piece` at a time.
Outcome read(RequestReader& reader, std::string_view bytes, std::size_t piece) {
  Outcome outcome;
  while (true) {
    outcome.step = reader.advance();
    if (outcome.step == Step::Head && !reader.begin_body()) outcome.step = Step::TooLarge;
    if (outcome.step == Step::Head) continue;
    outcome.request = reader.request();
    if (outcome.step != Step::NeedMore || bytes.empty()) return outcome;
    const auto room = reader.prepare();
    const std::size_t count = std::min({piece, room.size(), bytes.size()});
    std::copy_n(bytes.begin(), count, room.begin());
    reader.commit(count);
    bytes.remove_prefix(count);
  }
}

Outcome read(std::string_view bytes, std::size_t piece = 1 << 20) {
  RequestReader reader(kMost);
  return read(reader, bytes, piece);
}

const std::string kPost = "POST /a HTTP/1.1\r\nHost: localhost\r\n";

TEST(RequestReader, GivesAHeadsValuesAsTheyCame) {
  const auto found = read(
      "GET /a%2Fb?c=%20 HTTP/1.1\r\nHost: localhost:8000\r\nPrediction-Key: a%41+b%zz \r\n"
      "X-Empty:\r\nX-High:\xc3\xa9\r\n\r\n");
  ASSERT_EQ(found.step, Step::Whole);
  EXPECT_EQ(found.request.method, "GET");
  EXPECT_EQ(found.request.target, "/a%2Fb?c=%20");
  EXPECT_EQ(found.request.host, "localhost:8000");
  EXPECT_EQ(found.request.find_header("prediction-key"), "a%41+b%zz");
  EXPECT_EQ(found.request.find_header("x-empty"), "");
  EXPECT_EQ(found.request.find_header("x-high"), "\xc3\xa9");
}

TEST(RequestReader, GivesABodyOfStatedLengthAndOneInChunks) {
  EXPECT_EQ(read(kPost + "Content-Length: 5\r\n\r\nhello").request.body, "hello");
  EXPECT_EQ(read(kPost + "Content-Length: 5, 5\r\n\r\nhello").request.body, "hello");
  const std::string chunked =
      kPost + "Transfer-Encoding: Chunked\r\n\r\n3;a=\"b\"\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n";
  EXPECT_EQ(read(chunked).request.body, "hello");
}

TEST(RequestReader, ReadsTheSameHoweverTheBytesCome) {
  const std::string bytes =
      "\r\n" + kPost + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 1000U}) {
    const auto found = read(bytes, piece);
    EXPECT_EQ(found.step, Step::Whole) << piece;
    EXPECT_EQ(found.request.body, "hello") << piece;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(read(bytes.substr(0, size)).step, Step::NeedMore) << size;
  }
}

TEST(RequestReader, ReadsOneRequestAfterTheOther) {
  RequestReader reader(kMost);
  const std::string two = kPost + "Content-Length: 1\r\n\r\nx" + kPost + "\r\n";
  EXPECT_EQ(read(reader, two, 1 << 20).request.body, "x");
  reader.begin_next();
  EXPECT_TRUE(reader.has_begun());
  EXPECT_EQ(read(reader, "", 1).step, Step::Whole);
  reader.begin_next();
  EXPECT_FALSE(reader.has_begun());
}

TEST(RequestReader, TakesTheHostOutOfAWholeAddress) {
  const auto found =
      read("GET HTTP://Evil.example:80/health?x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(found.request.host, "Evil.example:80");
  EXPECT_EQ(found.request.target, "/health?x");
  EXPECT_EQ(read("GET http://h HTTP/1.1\r\nHost: localhost\r\n\r\n").request.target, "/");
}

TEST(RequestReader, RefusesWhatNineOneOneTwoRefuses) {
  for (const std::string& head : {
           std::string("GET / HTTP/1.1\r\n\r\n"),  // no Host
           std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
           std::string("GET / HTTP/1.1\nHost: a\n\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),  // folded
           std::string("GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\tc\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\nHost: a\r\nX: ") + '\0' + "\r\n\r\n",
           std::string("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"),
           std::string("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
           std::string("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
           std::string("GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
           std::string("GET / http/1.1\r\nHost: a\r\n\r\n"),
           std::string("GET /\r\n\r\n"),
           std::string("\x16\x03\x01\x02"),
           kPost + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
           kPost + "Content-Length: 1, 2\r\n\r\n",
           kPost + "Content-Length: -1\r\n\r\n",
           kPost + "Content-Length: +1\r\n\r\n",
           kPost + "Content-Length: 0x1\r\n\r\n",
           kPost + "Content-Length: 1 1\r\n\r\n",
           kPost + "Content-Length:\r\n\r\n",
           kPost + "Content-Length: 99999999999999999999\r\n\r\n",
           kPost + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           kPost + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
           kPost + "Transfer-Encoding: gzip\r\n\r\n",
           kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n",
           kPost + "Transfer-Encoding: chunked, chunked\r\n\r\n",
           kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
           kPost + "Transfer-Encoding: xchunked\r\n\r\n",
           kPost + "Transfer-Encoding:\r\n\r\n",
           std::string("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
       }) {
    EXPECT_EQ(read(head).step, Step::Malformed) << head;
    EXPECT_EQ(read(head, 1).step, Step::Malformed) << "a byte at a time: " << head;
  }
}

TEST(RequestReader, RefusesABareLineFeedBeforeTheHeadEnds) {
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHo").step, Step::NeedMore);
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: a\n").step, Step::Malformed);
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: a\n", 1).step, Step::Malformed);
}

TEST(RequestReader, RefusesChunksWithJunk) {
  const std::string head = kPost + "Transfer-Encoding: chunked\r\n\r\n";
  for (const std::string chunks : {"zz\r\n",
                                   "5\nhello\n0\n\n",
                                   "0x5\r\nhello\r\n0\r\n\r\n",
                                   "-5\r\n",
                                   "+5\r\nhello",
                                   "\r\n",
                                   ";\r\n",
                                   "5 5\r\nhello",
                                   "5\r\nhelloXX\r\n0\r\n\r\n",
                                   "5\r\nhello\n0\r\n\r\n",
                                   "5;\r\nhello",
                                   "5;a=\r\nhello",
                                   "5\rhello\r\n",
                                   "11111111111111111\r\n",
                                   "0\r\nX: a\n\r\n",
                                   "0\r\nX : a\r\n\r\n",
                                   "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
                                   "5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n",
                                   "0\r\nX: a\r\n b\r\n\r\n",
                                   "0\r\nbad\r\n\r\n"}) {
    EXPECT_EQ(read(head + chunks).step, Step::Malformed) << chunks;
    EXPECT_EQ(read(head + chunks, 1).step, Step::Malformed) << "a byte at a time: " << chunks;
  }
}

TEST(RequestReader, RefusesHeadsAndBodiesBeyondTheirLimits) {
  EXPECT_EQ(read("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n").step,
            Step::Malformed);
  EXPECT_EQ(read("GET /" + std::string(100000, 'a')).step, Step::Malformed);
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 20000; ++i) many += "X: y\r\n";
  EXPECT_EQ(read(many + "\r\n").step, Step::Malformed);
  EXPECT_EQ(read(kPost + "X: " + std::string(100000, 'a')).step, Step::Malformed);
  EXPECT_EQ(read(kPost + "Content-Length: 101\r\n\r\n").step, Step::TooLarge);
  const std::string chunked = kPost + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(read(chunked + "65\r\n").step, Step::TooLarge);
  EXPECT_EQ(read(chunked + "32\r\n" + std::string(50, 'a') + "\r\n33\r\n").step, Step::TooLarge);
  EXPECT_EQ(read(chunked + "1;" + std::string(100000, 'a')).step, Step::Malformed);
}

std::string gzip(const std::string& text) {
  std::string packed(text.size() + 1000, '\0');
  z_stream stream = {};
  constexpr int kGzip = 16;
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + kGzip, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string copy = text;
  stream.next_in = view_as<Bytef>(copy.data());
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = view_as<Bytef>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST(ContentCoding, IsTakenOff) {
  const std::string packed = gzip("hello hello hello");
  EXPECT_EQ(decode_content(packed, "gzip", kMost).value_or(""), "hello hello hello");
  EXPECT_EQ(decode_content(packed, "X-GZIP", kMost).value_or(""), "hello hello hello");
  EXPECT_EQ(decode_content("plain", "", kMost).value_or(""), "plain");
  EXPECT_EQ(decode_content("plain", "identity", kMost).value_or(""), "plain");
  // brotli's own smallest stream of "hello": one uncompressed piece.
  const std::string brotli("\x0b\x02\x80\x68\x65\x6c\x6c\x6f\x03", 9);
  EXPECT_EQ(decode_content(brotli, "br", kMost).value_or(""), "hello");
}

TEST(ContentCoding, IsRefusedWhereItIsDamagedUnknownOrABomb) {
  const std::string packed = gzip(std::string(5000, 'a'));
  EXPECT_EQ(decode_content(packed, "gzip", kMost).error().kind, ErrorKind::InvalidArgument);
  for (std::size_t size = 0; size < packed.size(); ++size) {
    EXPECT_FALSE(decode_content(packed.substr(0, size), "gzip", 10000)) << size;
  }
  EXPECT_EQ(decode_content("plain", "gzip", kMost).error().kind, ErrorKind::Malformed);
  EXPECT_EQ(decode_content("plain", "br", kMost).error().kind, ErrorKind::Malformed);
  EXPECT_EQ(decode_content("", "br", kMost).error().kind, ErrorKind::Malformed);
  EXPECT_EQ(decode_content("x", "zstd", kMost).error().kind, ErrorKind::Unsupported);
  EXPECT_EQ(decode_content("x", "gzip, gzip", kMost).error().kind, ErrorKind::Unsupported);
}

}  // namespace
}  // namespace visionpress
