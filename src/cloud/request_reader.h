#pragma once

// The bytes of a connection become requests. Boost.Beast's parser reads them; what RFC 9112 wants
// refused and the parser still takes is refused here. No sockets.

#include <cstddef>
#include <memory>
#include <span>

#include "cloud/http_message.h"

namespace visionpress {

/// Reads one request after the other:
///   prepare, commit, advance ... until Head; then begin_body, advance ... until Whole; begin_next.
class RequestReader {
 public:
  enum class Step : std::uint8_t {
    NeedMore,   ///< more bytes
    Head,       ///< the head is there: request() has all but the body
    Whole,      ///< so is the body
    Malformed,  ///< nothing that follows can be read
    TooLarge,   ///< the body is larger than max_body_bytes
  };

  explicit RequestReader(std::size_t max_body_bytes);
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;
  ~RequestReader();

  /// Room for the next bytes, until `commit` says how many there are.
  [[nodiscard]] std::span<char> prepare();
  void commit(std::size_t count);
  /// Reads on in what was committed.
  [[nodiscard]] Step advance();
  /// After Head: the body is to be read too; Whole follows at once where there is none.
  /// False: the head promises more than max_body_bytes.
  [[nodiscard]] bool begin_body();
  /// After Whole: forgets the request; bytes beyond it belong to the next one.
  void begin_next();

  /// Whether a byte of the current request is there.
  [[nodiscard]] bool has_begun() const;
  /// After Head:
  [[nodiscard]] bool has_body() const;
  [[nodiscard]] bool expects_continue() const;
  [[nodiscard]] bool keeps_alive() const;
  [[nodiscard]] std::size_t body_bytes() const;  ///< received so far
  [[nodiscard]] ServerRequest& request();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace visionpress
