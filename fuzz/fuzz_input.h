#pragma once

// What the fuzzers share: a fuzzer's bytes as the files that the commands read.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace visionpress {

/// A folder in memory (/dev/shm where there is one), emptied by `clear_folder`, removed with the
/// process.
[[nodiscard]] const std::string& scratch_folder();
void clear_scratch_folder();

/// Writes a file of the scratch folder, and the folders that lead to it. returns: its path.
std::string put_file(const std::string& name, Bytes bytes);

/// The parts of an input that stands for several files: between them lies kPartMark.
constexpr std::string_view kPartMark = "<|next|>";
[[nodiscard]] std::vector<Bytes> split_parts(Bytes input, std::size_t most);

/// Ends the fuzzer where a promise of ours does not hold; stays in release builds, as assert would
/// not.
void require(bool holds, const char* promise);

}  // namespace visionpress
