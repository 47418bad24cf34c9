#include <cstdio>

int main() {
  std::puts("visionpress");
  return 0;
}
