#include "cloud/content_coding.h"

#include <algorithm>
#include <array>
#include <memory>

#include <brotli/decode.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "cloud/http_message.h"

namespace visionpress {
namespace {

constexpr std::size_t kPieceBytes = 64 << 10;

/// Bytes that come out, up to a limit.
class Target {
 public:
  explicit Target(std::size_t most) : most_(most) {}
  [[nodiscard]] std::size_t size() const { return piece_.size(); }
  [[nodiscard]] std::uint8_t* data() { return piece_.data(); }
  [[nodiscard]] Result<void> take(std::size_t count) {
    if (count > most_ - text_.size()) {
      return fail(ErrorKind::InvalidArgument, "the unpacked body is larger than {} bytes", most_);
    }
    text_.append(view_as<const char>(piece_.data()), count);
    return {};
  }
  [[nodiscard]] std::string release() { return std::move(text_); }

 private:
  std::size_t most_;
  std::string text_ = {};
  std::array<std::uint8_t, kPieceBytes> piece_ = {};
};

/// gzip's and zlib's frames, told apart by zlib itself.
Result<std::string> inflate_body(std::string& body, std::size_t most) {
  z_stream stream = {};
  constexpr int kDetectFrame = 32;  // zlib.h, inflateInit2: adds the detection of both frames
  if (inflateInit2(&stream, MAX_WBITS + kDetectFrame) != Z_OK) {
    return fail(ErrorKind::Internal, "zlib does not start");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  Target target(most);
  stream.next_in = view_as<Bytef>(body.data());
  stream.avail_in = static_cast<uInt>(body.size());
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    stream.next_out = target.data();
    stream.avail_out = static_cast<uInt>(target.size());
    code = inflate(&stream, Z_NO_FLUSH);
    if (code == Z_MEM_ERROR) return fail(ErrorKind::Internal, "zlib has no memory");
    if (code != Z_OK && code != Z_STREAM_END) {
      return fail(ErrorKind::Malformed, "the body is damaged or ends early, as gzip or deflate");
    }
    VP_RETURN_IF_ERROR(target.take(target.size() - stream.avail_out));
  }
  return target.release();
}

Result<std::string> unpack_brotli(const std::string& body, std::size_t most) {
  const std::unique_ptr<BrotliDecoderState, void (*)(BrotliDecoderState*)> state(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), BrotliDecoderDestroyInstance);
  if (state == nullptr) return fail(ErrorKind::Internal, "brotli does not start");
  Target target(most);
  const auto* in = view_as<const std::uint8_t>(body.data());
  std::size_t in_count = body.size();
  while (true) {
    std::uint8_t* out = target.data();
    std::size_t out_count = target.size();
    const BrotliDecoderResult code =
        BrotliDecoderDecompressStream(state.get(), &in_count, &in, &out_count, &out, nullptr);
    VP_RETURN_IF_ERROR(target.take(target.size() - out_count));
    if (code == BROTLI_DECODER_RESULT_SUCCESS) return target.release();
    if (code != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
      return fail(ErrorKind::Malformed, "the body is damaged or ends early, as br");
    }
  }
}

}  // namespace

Result<std::string> decode_content(std::string body, std::string_view coding, std::size_t most) {
  if (coding.empty() || equal_ignoring_case(coding, "identity")) return body;
  for (const char* name : {"gzip", "x-gzip", "deflate"}) {
    if (equal_ignoring_case(coding, name)) return inflate_body(body, most);
  }
  if (equal_ignoring_case(coding, "br")) return unpack_brotli(body, most);
  return fail(ErrorKind::Unsupported, "bodies are taken plain, gzip, deflate or br");
}

}  // namespace visionpress
