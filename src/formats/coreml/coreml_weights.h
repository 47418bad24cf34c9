#pragma once

// WeightParams: the four forms a weight takes in a Core ML NeuralNetwork file, and their rules.

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

/// Where a weight lies in the file, and what the writer must respect.
struct WeightSlot {
  std::vector<ProtobufFrame> frames = {};      ///< around the content of its WeightParams
  std::vector<FileRange> payload_fields = {};  ///< payload and quantization fields, in file order
  std::int64_t scale_count = 1;                ///< the number of scales allowed beside 1
};

/// What the layer says about a weight of its own.
struct WeightShape {
  Shape shape = {};
  int channel_axis = 0;
  std::int64_t scale_count = 1;  ///< scales allowed beside 1; 1 for biases and vectors
};

struct ParsedWeight {
  WeightRef stored = {};
  WeightSlot slot = {};
  bool updatable = false;
};

/// Payloads whose elements lie apart in the file (unpacked or split floats), gathered.
using GatheredPayloads = std::deque<std::vector<std::byte>>;

/// Reads the WeightParams in `field`, a field of `parent`, and checks them as Core ML's validator
/// does: one payload, as long as the shape says; 1..8 bits; 1 or `scale_count` scales; no or as
/// many biases; a table of 2^bits. The payload is borrowed from the file, or from `gathered`.
/// errors: Malformed with `path` and the offset.
/// source: coremltools mlmodel/src/Validation/NeuralNetworkLayerValidator.cpp,
///         QuantizationValidationUtils.hpp.
[[nodiscard]] Result<ParsedWeight> read_weight_params(const ProtobufMessage& parent,
                                                      const ProtobufField& field,
                                                      const WeightShape& shape,
                                                      const std::string& path,
                                                      GatheredPayloads& gathered);

/// The number of elements that the payload of a WeightParams holds, for weights whose layer does
/// not say their shape. Nothing where there is no payload, or where padding bits hide it (1..7
/// bits). errors: Malformed with the offset.
[[nodiscard]] Result<std::optional<std::int64_t>> count_elements(const ProtobufMessage& parent,
                                                                 const ProtobufField& field);

}  // namespace visionpress::coreml
