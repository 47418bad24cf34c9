#pragma once

// Bytes that are owned and about to be overwritten.

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace visionpress {

/// std::allocator, except that elements made without a value are left uninitialised: zeroing an
/// output of 22 MB before it is written costs as much as writing it.
template <typename T>
class UninitialisedAllocator : public std::allocator<T> {
 public:
  template <typename U>
  struct rebind {  // NOLINT(readability-identifier-naming): the standard's name
    using other = UninitialisedAllocator<U>;  // NOLINT(readability-identifier-naming): likewise
  };
  using std::allocator<T>::allocator;

  template <typename U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <typename U, typename... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }
};

/// A vector of bytes whose `resize` and sized constructor leave new bytes unset.
using ByteBuffer = std::vector<std::byte, UninitialisedAllocator<std::byte>>;

}  // namespace visionpress
