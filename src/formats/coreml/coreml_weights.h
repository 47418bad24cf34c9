#pragma once

// WeightParams: the four forms of a weight in a Core ML NeuralNetwork file, and their rules.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "model/weight.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::coreml {

/// A range of the file, [begin, end).
struct FileRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// The place of a weight in the file, and the constraints on its replacement.
struct WeightSlot {
  std::vector<ProtobufFrame> frames = {};  ///< the messages around the content of its WeightParams
  std::vector<FileRange> payload_fields = {};  ///< payload and quantization fields, in file order
  std::int64_t scale_count = 1;                ///< the number of scales allowed other than 1
};

/// The shape that a layer's parameters give to one of its weights.
struct WeightShape {
  Shape shape = {};
  int channel_axis = 0;
  std::int64_t scale_count = 1;  ///< scales allowed other than 1; 1 for biases and vectors
};

struct ParsedWeight {
  WeightRef stored = {};
  WeightSlot slot = {};
  bool updatable = false;
};

/// Copies of payloads whose elements are not contiguous in the file (unpacked or split floats).
using GatheredPayloads = std::deque<std::vector<std::byte>>;

/// Reads the WeightParams in `field`, a field of `parent`, and checks them as Core ML's validator
/// does: one payload of the length that the shape requires; 1..8 bits; 1 or `scale_count` scales;
/// no biases or as many as scales; a table of 2^bits entries. The payload is borrowed from the
/// file, or from `gathered`.
/// errors: Malformed with `path` and the offset.
/// source: coremltools mlmodel/src/Validation/NeuralNetworkLayerValidator.cpp,
///         QuantizationValidationUtils.hpp.
[[nodiscard]] Result<ParsedWeight> read_weight_params(const ProtobufMessage& parent,
                                                      const ProtobufField& field,
                                                      const WeightShape& shape,
                                                      const std::string& path,
                                                      GatheredPayloads& gathered);

/// The number of elements in the payload of a WeightParams, for weights whose layer does not state
/// their shape. Nothing if there is no payload, or if padding bits make the number ambiguous (1..7
/// bits).
/// errors: Malformed with the offset.
[[nodiscard]] Result<std::optional<std::int64_t>> count_elements(const ProtobufMessage& parent,
                                                                 const ProtobufField& field);

}  // namespace visionpress::coreml
