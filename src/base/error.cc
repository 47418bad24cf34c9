#include "base/error.h"

#include <cstring>

#include "base/printable.h"

namespace visionpress {

std::string Error::to_string() const {
  std::string text;
  if (!file.empty()) text += file + ": ";
  if (offset) text += fmt::format("{:#x}: ", *offset);
  text += message;
  // A file's own strings reach messages; a line break in one must not make two lines of it.
  return escape_unprintable(text);
}

tl::unexpected<Error> make_error(ErrorKind kind, std::optional<std::uint64_t> offset,
                                 fmt::string_view format, fmt::format_args args) {
  return tl::unexpected<Error>(Error{kind, fmt::vformat(format, args), {}, offset});
}

tl::unexpected<Error> fail_output(const std::string& path, const char* what, int reason) {
  return fail_in(path, ErrorKind::Output, "{}: {}", what, std::strerror(reason));
}

}  // namespace visionpress
