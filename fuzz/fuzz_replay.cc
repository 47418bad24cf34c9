// Gives every file of a folder to one fuzzer, without a fuzzing engine: what was found once stays
// mended. usage: fuzz_replay FUZZER FOLDER

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#define VP_FUZZER(name) extern "C" int fuzz_##name(const std::uint8_t*, std::size_t);
#include "fuzz_table.inc"
#undef VP_FUZZER

namespace {

struct Fuzzer {
  std::string_view name;
  int (*run)(const std::uint8_t*, std::size_t);
};

#define VP_FUZZER(name) Fuzzer{#name, fuzz_##name},
constexpr std::array kFuzzers = {
#include "fuzz_table.inc"
};
#undef VP_FUZZER

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() != 3) {
    std::fputs("usage: fuzz_replay FUZZER FOLDER\n", stderr);
    return 2;
  }
  const auto* fuzzer = std::ranges::find(kFuzzers, arguments[1], &Fuzzer::name);
  if (fuzzer == kFuzzers.end()) {
    std::fprintf(stderr, "no fuzzer is named %s\n", arguments[1].c_str());
    return 2;
  }
  std::vector<std::filesystem::path> files(std::filesystem::directory_iterator(arguments[2]), {});
  std::ranges::sort(files);
  for (const std::filesystem::path& path : files) {
    const std::string bytes = read_file(path);
    std::printf("%s: %zu bytes\n", path.filename().c_str(), bytes.size());
    std::fflush(stdout);  // the last line names the file that ends the program
    // A copy of exactly its size: what reads beyond the end is seen.
    const std::vector<std::uint8_t> data(bytes.begin(), bytes.end());
    fuzzer->run(data.data(), data.size());
  }
  if (files.empty()) std::fprintf(stderr, "%s is empty\n", arguments[2].c_str());
  return files.empty() ? 1 : 0;
}
