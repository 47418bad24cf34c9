#pragma once

// The plan of a rewrite: all changes to a TFLite file when weights are replaced, decided before a
// byte is written. Private to this folder.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tflite/tflite_model.h"

namespace visionpress::tflite {

/// Bits of a code in an INT4 tensor.
inline constexpr int kPackedBits = 4;

/// Suffix to a weight's name for the tensor that its DEQUANTIZE writes.
inline constexpr std::string_view kDequantizeSuffix = "_dequantize";

/// One edit: the new payload of a weight's stored tensor.
struct PlannedEdit {
  const EncodedWeight* value = nullptr;
  const TflitePlace* place = nullptr;
  const Weight* weight = nullptr;
  bool direct = false;  ///< operators read the stored tensor; false: through a DEQUANTIZE
  std::vector<float> scales = {};
  int axis = 0;
  tfl::TensorType type = tfl::TensorType::INT8;  ///< of Linear codes; INT4: packed
  std::size_t buffer = 0;  ///< holds the payload; an index past the source's buffers is a new one
  bool shares_buffer = false;  ///< an earlier edit writes the buffer
};

/// A DEQUANTIZE to add before operator `before` of the source.
struct NewDequantize {
  std::size_t before = 0;
  std::size_t input = 0;
  std::size_t output = 0;
  std::uint32_t code = 0;
};

struct NewTensor {
  std::string name = {};
  std::size_t shape_of = 0;  ///< the tensor whose shape the new one gets
};

struct NewCode {
  tfl::BuiltinOperator code = tfl::BuiltinOperator::DEQUANTIZE;
  int version = 1;
};

/// Indices are those of subgraph 0 in the source; new items are numbered after them.
struct RewritePlan {
  std::vector<PlannedEdit> edits = {};
  std::vector<std::unique_ptr<EncodedWeight>> float_biases = {};  ///< made here; edits borrow them
  std::vector<std::size_t> buffer_users = {};  ///< tensors and metadata that still read each buffer
  std::size_t new_buffers = 0;
  std::set<std::size_t> dropped_buffers = {};  ///< buffers of the source that are no longer read
  std::vector<NewTensor> new_tensors = {};
  std::vector<NewDequantize> new_dequantizes = {};
  std::vector<NewCode> new_codes = {};
  std::map<std::size_t, std::vector<std::int32_t>> changed_inputs = {};  ///< by operator
  std::map<std::size_t, std::uint32_t> changed_codes = {};               ///< by operator
  std::set<std::size_t> dropped_operators = {};
  bool has_packed_conv = false;  ///< a CONV_2D reads an INT4 kernel
};

/// Checks that no two tensors or operators share one table in the file, because an edit of one
/// would change the other. errors: Unsupported if two do.
[[nodiscard]] Result<void> check_distinct(const TfliteModel& model);

/// The reason why a rewrite cannot store weight `index` in `form`; empty if it can.
[[nodiscard]] std::string why_not(const TfliteModel& model, const RewriteOptions& options,
                                  std::size_t index, const Form& form);

/// Bits that a code of weight `index` takes in the new file: 4 where it is packed, else 8.
[[nodiscard]] int stored_bits(const TfliteModel& model, const RewriteOptions& options,
                              std::size_t index, const WeightCode& code);

/// Plans the edits. The result borrows from the model and from the edits' values.
/// errors: InvalidArgument for an edit that the format cannot hold, Unsupported for a file that
/// cannot be carried over.
[[nodiscard]] Result<RewritePlan> plan_rewrite(const TfliteModel& model,
                                               const RewriteOptions& options,
                                               std::span<const WeightEdit> edits);

}  // namespace visionpress::tflite
