#pragma once

// Weights as a file stores them (WeightRef: borrowed) and as codecs make them (EncodedWeight:
// owned).

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "model/tensor.h"

namespace visionpress {

/// How stored elements become values.
enum class Encoding : std::uint8_t {
  Float32,  ///< the value itself
  Float16,  ///< IEEE binary16
  Linear,   ///< scale * (code - zero_point) + offset
  Table,    ///< table[code]
};

/// How the codes of one weight lie in its bytes.
enum class Packing : std::uint8_t {
  Whole,     ///< whole little-endian elements: floats, halves, and codes of one byte each
  MsbFirst,  ///< one bit stream, each code's high bit first (Core ML NeuralNetwork rawValue)
  LsbFirst,  ///< one bit stream, first code in the low bits (TFLite int4, ONNX, ML Program)
};

/// The arithmetic meaning of codes; shared by the borrowed and the owned form.
struct WeightCode {
  Encoding encoding = Encoding::Float32;
  int bits = 32;                               ///< 32, 16, or 1..8
  bool is_signed = false;                      ///< Linear: codes are two's complement
  int axis = 0;                                ///< the axis that per-channel scales run along
  std::vector<float> scales = {};              ///< Linear: 1 entry, or shape[axis]
  std::vector<float> offsets = {};             ///< Linear: empty (all 0), or as many as scales
  std::vector<std::int32_t> zero_points = {};  ///< Linear: empty (all 0), or as many as scales
  std::vector<float> table = {};               ///< Table: 2^bits entries
};

/// One weight as stored. `payload` is borrowed from the mapped file (or from an EncodedWeight).
struct WeightRef {
  Shape shape = {};
  WeightCode code = {};
  Packing packing = Packing::Whole;
  Bytes payload = {};
};

/// One weight as a codec made it. `codes` holds Whole elements: 4, 2 or 1 bytes each; a format's
/// writer packs codes of fewer than 8 bits as the format needs.
struct EncodedWeight {
  Shape shape = {};
  WeightCode code = {};
  ByteBuffer codes = {};

  [[nodiscard]] WeightRef view() const { return {shape, code, Packing::Whole, codes}; }
};

/// The role of a weight in its layer. The press decides by it which weights to change.
enum class WeightRole : std::uint8_t {
  Kernel,  ///< convolution, fully connected, embedding: what compression is about
  Bias,
  Vector,    ///< batch-norm statistics, scales, PReLU slopes
  Constant,  ///< any other float constant
};

/// One weight of the model, with its place in the file and whether it can be replaced.
struct Weight {
  std::string name = {};   ///< unique in the graph: "layer1/conv:weights", or the tensor's name
  std::string layer = {};  ///< the layer as the user sees it; what `--keep` matches
  /// Element path for messages: `neuralNetwork.layers[0] "conv1".convolution.weights`.
  std::string path = {};
  WeightRole role = WeightRole::Constant;
  int channel_axis = 0;  ///< the output-channel axis of stored.shape
  /// Weights of equal group belong to one layer and change floating type together.
  std::size_t layer_group = 0;
  std::string fixed_because = {};  ///< not empty: why the writer cannot replace it
  WeightRef stored = {};
};

/// Tells the writer to replace weight `index` by `value` (borrowed for the call).
struct WeightEdit {
  std::size_t index = 0;
  const EncodedWeight* value = nullptr;
};

}  // namespace visionpress
