#pragma once

/// Errors as values: every call of the library that can fail returns a Result.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

namespace visionpress {

/// The kind of failure; it decides the command line's exit code.
enum class ErrorKind : std::uint8_t {
  Usage,            ///< the caller asked for something that makes no sense (exit 2)
  InvalidArgument,  ///< an option's value is out of its range (exit 2)
  Io,               ///< an input file cannot be opened or read (exit 3)
  Malformed,        ///< an input file breaks its own format (exit 3)
  Unsupported,      ///< an input file is valid but needs what is not supported (exit 3)
  Output,           ///< the output cannot be written, or exists (exit 4)
  Internal,         ///< a bug of ours, or memory ran out (exit 5)
};

/// One failure. `message` says what was expected and what was found, and where.
struct Error {
  ErrorKind kind = ErrorKind::Internal;
  std::string message = {};
  std::string file = {};                               ///< path as the caller gave it; may be empty
  std::optional<std::uint64_t> offset = std::nullopt;  ///< byte in `file`, where one is known

  /// `file: 0x1a2b: message`, without the parts that are unknown. Always one line.
  [[nodiscard]] std::string to_string() const;
};

template <typename T>
using Result = tl::expected<T, Error>;

/// Warnings of a call that succeeded; the library itself never prints.
class Diagnostics {
 public:
  void warn(std::string text) { warnings_.push_back(std::move(text)); }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  std::vector<std::string> warnings_ = {};
};

}  // namespace visionpress
