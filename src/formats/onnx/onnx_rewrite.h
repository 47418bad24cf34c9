#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "formats/onnx/onnx_graph.h"
#include "formats/onnx/onnx_opset.h"

namespace visionpress::onnx {

/// How codes of some number of bits are stored in a file.
struct CodeStorage {
  int bits = 8;             ///< 2, 4 or 8
  std::int64_t opset = 0;   ///< the file's afterwards
  bool multiplies = false;  ///< int8 behind Cast and Mul: for files whose opset cannot be raised
};

/// The smallest type that holds codes of so many bits and that the file can be raised to: of 1 and
/// 2 bits, of 3 and 4, of more.
using CodeStorages = std::array<CodeStorage, 3>;
[[nodiscard]] CodeStorages plan_code_storage(const ModelFile& model);
/// That of codes of `bits` bits.
[[nodiscard]] inline const CodeStorage& storage_of(const CodeStorages& storages, int bits) {
  return storages[bits <= 2 ? 0 : bits <= 4 ? 1 : 2];
}

/// The note on a raised opset.
[[nodiscard]] std::string describe_raise(std::int64_t from, std::int64_t to);

}  // namespace visionpress::onnx
