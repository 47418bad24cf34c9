#pragma once

// Borrowed bytes and typed access to them. Payloads are often unaligned, so loads copy.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace visionpress {

static_assert(std::endian::native == std::endian::little,
              "every format read here is little endian and is read in place");

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// Loads a little-endian T at byte `at`. The caller has checked that the value lies inside `bytes`.
template <typename T>
[[nodiscard]] T load_le(Bytes bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

template <typename T>
void store_le(MutableBytes bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

/// Views the storage at `from` as a To. This is the only cast of its kind; cmake/check_casts.cmake
/// checks that.
/// It is sound where To is char, unsigned char or std::byte, which may alias anything; where the
/// storage was allocated for a To and is aligned for it (an operator's scratch); and where an
/// interface in C gives the address of an object's first member (sockaddr, jpeg_error_mgr). For a
/// number inside a file use load_le.
template <typename To, typename From>
[[nodiscard]] To* view_as(From* from) {
  static_assert(std::is_const_v<To> || !std::is_const_v<From>);
  using Address = std::conditional_t<std::is_const_v<From>, const void, void>;
  return static_cast<To*>(static_cast<Address*>(from));
}

/// The characters of `bytes`, borrowed.
[[nodiscard]] inline std::string_view view_text(Bytes bytes) {
  return {view_as<const char>(bytes.data()), bytes.size()};
}

/// The bytes of any contiguous values, borrowed.
template <typename T>
[[nodiscard]] Bytes view_bytes(std::span<const T> values) {
  return std::as_bytes(values);
}

/// a * b, or nothing when it does not fit into 63 bits or one is negative. For sizes out of files.
[[nodiscard]] inline std::optional<std::int64_t> checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// a + b, or nothing when it does not fit into 63 bits or one is negative.
[[nodiscard]] inline std::optional<std::int64_t> checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

}  // namespace visionpress
