#pragma once

// The macros and functions with which every layer makes and passes on an Error.

#include <string>
#include <utility>

#include <fmt/format.h>

#include "visionpress/result.h"

namespace visionpress {

/// Does the work of `fail` without the types of its arguments, so that it is compiled once and not
/// at each call.
[[nodiscard]] tl::unexpected<Error> make_error(ErrorKind kind, std::optional<std::uint64_t> offset,
                                               fmt::string_view format, fmt::format_args args);

/// Names the file of an error that does not name one yet.
[[nodiscard]] inline tl::unexpected<Error> in_file(Error error, const std::string& file) {
  if (error.file.empty()) error.file = file;
  return tl::unexpected<Error>(std::move(error));
}

/// Makes the error side of a Result: `return fail(ErrorKind::Malformed, "magic is {:#x}", magic);`
template <typename... Args>
[[nodiscard]] tl::unexpected<Error> fail(ErrorKind kind, fmt::format_string<Args...> format,
                                         Args&&... args) {
  return make_error(kind, std::nullopt, format, fmt::make_format_args(args...));
}

/// The same, with the file that the error is about.
template <typename... Args>
[[nodiscard]] tl::unexpected<Error> fail_in(const std::string& file, ErrorKind kind,
                                            fmt::format_string<Args...> format, Args&&... args) {
  return in_file(make_error(kind, std::nullopt, format, fmt::make_format_args(args...)).value(),
                 file);
}

/// The same, with the byte offset at which the fault was seen.
template <typename... Args>
[[nodiscard]] tl::unexpected<Error> fail_at(ErrorKind kind, std::uint64_t offset,
                                            fmt::format_string<Args...> format, Args&&... args) {
  return make_error(kind, offset, format, fmt::make_format_args(args...));
}

/// Makes the error of a system call that failed while `path` was written: "what: No space left on
/// device".
/// reason: the value of errno.
[[nodiscard]] tl::unexpected<Error> fail_output(const std::string& path, const char* what,
                                                int reason);

}  // namespace visionpress

// `lhs` may declare a variable and `name` is one, so neither takes parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define VP_RETURN_IF_ERROR(expr)                                                 \
  do {                                                                           \
    if (auto vp_result = (expr); !vp_result) {                                   \
      return tl::unexpected<::visionpress::Error>(std::move(vp_result).error()); \
    }                                                                            \
  } while (false)

#define VP_JOIN_INNER(a, b) a##b
#define VP_JOIN(a, b) VP_JOIN_INNER(a, b)
#define VP_ASSIGN_OR_RETURN(lhs, expr) \
  VP_ASSIGN_OR_RETURN_AS(VP_JOIN(vp_result_, __LINE__), lhs, expr)
#define VP_ASSIGN_OR_RETURN_AS(name, lhs, expr)                                    \
  auto name = (expr);                                                              \
  if (!name) return tl::unexpected<::visionpress::Error>(std::move(name).error()); \
  lhs = std::move(*name)
// NOLINTEND(bugprone-macro-parentheses)
