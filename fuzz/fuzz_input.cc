#include "fuzz_input.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace visionpress {
namespace {

namespace fs = std::filesystem;

struct ScratchFolder {
  ScratchFolder() {
    std::error_code ignored;
    const fs::path parent =
        fs::is_directory("/dev/shm", ignored) ? fs::path("/dev/shm") : fs::temp_directory_path();
    path = (parent / "vp_fuzz_XXXXXX").string();
    require(::mkdtemp(path.data()) != nullptr, "a folder for the fuzzer's files");
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string path = {};
};

}  // namespace

const std::string& scratch_folder() {
  static const ScratchFolder folder;
  return folder.path;
}

void clear_scratch_folder() {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(scratch_folder(), ignored)) {
    fs::remove_all(entry.path(), ignored);
  }
}

std::string put_file(const std::string& name, Bytes bytes) {
  const fs::path path = fs::path(scratch_folder()) / name;
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const std::string_view text = view_text(bytes);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  require(file.good(), "the fuzzer's file is written");
  return path.string();
}

std::vector<Bytes> split_parts(Bytes input, std::size_t most) {
  std::vector<Bytes> parts;
  while (parts.size() + 1 < most) {
    const std::size_t at = view_text(input).find(kPartMark);
    if (at == std::string_view::npos) break;
    parts.push_back(input.first(at));
    input = input.subspan(at + kPartMark.size());
  }
  parts.push_back(input);
  return parts;
}

void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", promise);
  std::abort();
}

}  // namespace visionpress
