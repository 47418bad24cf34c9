// Loaded into the tool before its main: a program that uses the library may have set a locale, in C
// and in C++. Other programs of a transcript keep theirs.

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <locale>

#include <errno.h>  // program_invocation_short_name is GNU's: not in <cerrno>

namespace {

[[gnu::constructor]] void set_comma_locale() {
  if (std::strcmp(program_invocation_short_name, "visionpress") != 0) return;
  const char* name = std::getenv("VP_COMMA_LOCALE");
  if (name == nullptr || std::setlocale(LC_ALL, name) == nullptr) {
    std::fputs("comma_locale: no such locale\n", stderr);
    std::_Exit(99);
  }
  // As iostreams would have it: a comma, and points between thousands.
  std::locale::global(std::locale(name));
  std::setlocale(LC_MESSAGES, "C");  // words may be the user's; figures may not
}

}  // namespace
