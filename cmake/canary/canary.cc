// Never built. Each line with FAULT breaks the rule named there; .ci/run fails where clang-tidy
// does not report it.
#include <cstdlib>
#include <string>
#include <vector>

namespace canary {

using namespace std;  // FAULT: google-build-using-namespace

struct Wrapper {
  Wrapper(int number) : count(number) {}  // FAULT: google-explicit-constructor
  int count;
};

int BadName(int x) { return x; }  // FAULT: readability-identifier-naming

char* make_writable(const char* text) {
  return (char*)text;
}  // FAULT: cppcoreguidelines-pro-type-cstyle-cast

const float* view_floats(const char* at) {
  return reinterpret_cast<const float*>(at);  // FAULT: cppcoreguidelines-pro-type-reinterpret-cast
}

int divide_by_zero(int value) {
  const int zero = 0;
  return value / zero;  // FAULT: clang-analyzer-core.DivideZero
}

std::size_t count_all(const std::vector<std::string>& words) {
  std::size_t count = 0;
  for (const std::string word : words) {  // FAULT: performance-for-range-copy
    count += word.size();
  }
  return count;
}

bool used_after_move(std::string text) {
  const std::string taken = std::move(text);
  return text == taken;  // FAULT: bugprone-use-after-move
}

int without_braces(int value) {
  if (value > 0)  // FAULT: readability-braces-around-statements
    for (int i = 0; i < value; ++i) {
      value += i;
    }
  return value;
}

int too_many(int a, int b, int c, int d, int e, int f, int g) {  // FAULT: readability-function-size
  return a + b + c + d + e + f + g;
}

}  // namespace canary
