#pragma once

// The facts of a TFLite file by which a runtime decides whether it takes an operator: codes,
// versions, types, shapes and quantization as the file states them, since delegates are asked
// before any shape is computed. Private to this folder.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "formats/tflite/tflite_model.h"
#include "tflite_schema_generated.h"

namespace visionpress::tflite {

/// How a tensor's codes become values.
enum class Quantized : std::uint8_t {
  No,         ///< no scale
  Affine,     ///< one scale, or one per slice along `axis`
  Blockwise,  ///< scales in a tensor of their own
  Other,
};

struct TensorFacts {
  std::string name = {};
  tfl::TensorType type = tfl::TensorType::FLOAT32;
  std::vector<std::int64_t> shape = {};
  Bytes payload = {};        ///< of a constant
  bool is_constant = false;  ///< its bytes are in the file
  bool is_variable = false;
  bool is_sparse = false;
  Quantized quantized = Quantized::No;
  std::vector<float> scales = {};
  std::vector<std::int64_t> zero_points = {};
  int axis = 0;
  int block_size = 0;
  int block_scales = -1;  ///< Blockwise: the tensor of the scales

  [[nodiscard]] std::size_t rank() const { return shape.size(); }
  [[nodiscard]] std::int64_t elements() const;
  /// Whether all values share one scale.
  [[nodiscard]] bool has_one_scale() const {
    return quantized == Quantized::Affine && scales.size() == 1;
  }
  /// The only scale and zero point; 0 if there is none or several.
  [[nodiscard]] float scale() const { return has_one_scale() ? scales.front() : 0.0F; }
  [[nodiscard]] std::int64_t zero_point() const {
    return has_one_scale() && !zero_points.empty() ? zero_points.front() : 0;
  }
  /// The values of an int32 or int64 constant; nothing for other tensors.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers() const;
};

struct OperatorFacts {
  tfl::BuiltinOperator code = tfl::BuiltinOperator::CUSTOM;
  int version = 1;
  std::string type = {};         ///< "CONV_2D", or the custom operator's name
  std::string name = {};         ///< of its first output
  std::vector<int> inputs = {};  ///< tensor indices; -1: absent
  std::vector<int> outputs = {};
  const tfl::Operator* table = nullptr;
  Bytes custom_options = {};

  [[nodiscard]] bool is_custom(std::string_view custom_name) const {
    return code == tfl::BuiltinOperator::CUSTOM && type == custom_name;
  }
};

struct GraphFacts {
  std::vector<TensorFacts> tensors = {};
  std::vector<OperatorFacts> operators = {};
  std::vector<int> outputs = {};                       ///< of the model
  std::vector<std::vector<std::size_t>> readers = {};  ///< by tensor: the operators that read it
  std::vector<std::vector<std::size_t>> writers = {};  ///< by tensor

  /// Input `slot` of an operator; null if it is absent.
  [[nodiscard]] const TensorFacts* input(const OperatorFacts& op, std::size_t slot) const;
  [[nodiscard]] const TensorFacts* output(const OperatorFacts& op, std::size_t slot) const;
};

/// The facts of subgraph 0 of a file that the reader has accepted.
[[nodiscard]] GraphFacts read_facts(const TfliteModel& model);

/// "int8", "float32": a type in messages.
[[nodiscard]] std::string name_of_type(tfl::TensorType type);

/// The number of separate runs of operators that a runtime takes, when every operator runs as soon
/// as its inputs are there, as LiteRT plans it. takes: by operator.
[[nodiscard]] std::size_t count_partitions(const GraphFacts& graph, const std::vector<bool>& takes);

}  // namespace visionpress::tflite
