#include "base/error.h"

namespace visionpress {

std::string Error::to_string() const {
  std::string text;
  if (!file.empty()) text += file + ": ";
  if (offset) text += fmt::format("{:#x}: ", *offset);
  text += message;
  // A file's own strings reach messages; a line break in one must not make two lines of it.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace visionpress
