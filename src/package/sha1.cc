#include "package/sha1.h"

#include <array>
#include <memory>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace visionpress {

std::string hash_sha1(std::span<const Bytes> pieces) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned int size = 0;
  bool good = context && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1;
  for (const Bytes piece : pieces) {
    good = good && EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1;
  }
  if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) return {};
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace visionpress
