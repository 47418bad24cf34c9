#include "cloud/base64.h"

#include <algorithm>

#include <openssl/evp.h>

namespace visionpress {

void append_base64(Bytes bytes, std::string& text) {
  // OpenSSL counts in int. Whole groups of three bytes need no padding between the blocks.
  constexpr std::size_t kBlock = std::size_t{3} << 20U;
  std::size_t end = text.size();
  text.resize(end + (bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += kBlock) {
    const Bytes block = bytes.subspan(at, std::min(kBlock, bytes.size() - at));
    auto* to = view_as<unsigned char>(text.data() + end);
    const auto* from = view_as<const unsigned char>(block.data());
    // It also ends the text with a zero, where std::string keeps its own.
    end += static_cast<std::size_t>(EVP_EncodeBlock(to, from, static_cast<int>(block.size())));
  }
}

}  // namespace visionpress
