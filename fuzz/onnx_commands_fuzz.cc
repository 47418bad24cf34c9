// Every command on any bytes as an ONNX file.

#include <cstddef>
#include <cstdint>
#include <span>

#include "model_commands.h"

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  visionpress::run_commands(std::as_bytes(std::span<const std::uint8_t>(data, size)), ".onnx");
  return 0;
}
