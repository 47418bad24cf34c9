#pragma once

// What replacing weights of a TFLite file changes in it, decided before a byte is written. Private
// to this folder.

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

/// Behind a weight's name: the tensor that a DEQUANTIZE of it writes.
inline constexpr std::string_view kDequantizeSuffix = "_dequantize";

/// One edit: the new payload of a weight's stored tensor.
struct PlannedEdit {
  const EncodedWeight* value = nullptr;
  const TflitePlace* place = nullptr;
  const Weight* weight = nullptr;
  bool direct = false;  ///< its operators read the stored tensor; else a DEQUANTIZE stands between
  std::vector<float> scales = {};
  int axis = 0;
  tfl::TensorType type = tfl::TensorType::INT8;  ///< of Linear codes
  std::size_t buffer = 0;      ///< that holds the payload; past the source's: a new one
  bool shares_buffer = false;  ///< an edit before this one has written it
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
  std::size_t shape_of = 0;  ///< the tensor whose shape it has
};

struct NewCode {
  tfl::BuiltinOperator code = tfl::BuiltinOperator::DEQUANTIZE;
  int version = 1;
};

/// Indices are those of subgraph 0 in the source; what is new is numbered on behind it.
struct RewritePlan {
  std::vector<PlannedEdit> edits = {};
  std::vector<std::unique_ptr<EncodedWeight>> float_biases = {};  ///< made here; edits borrow them
  std::vector<std::size_t> buffer_users = {};  ///< tensors and metadata that still read each buffer
  std::size_t new_buffers = 0;
  std::set<std::size_t> dropped_buffers = {};  ///< of the source, that nothing reads any more
  std::vector<NewTensor> new_tensors = {};
  std::vector<NewDequantize> new_dequantizes = {};
  std::vector<NewCode> new_codes = {};
  std::map<std::size_t, std::vector<std::int32_t>> changed_inputs = {};  ///< by operator
  std::map<std::size_t, std::uint32_t> changed_codes = {};               ///< by operator
  std::set<std::size_t> dropped_operators = {};
};

/// errors: Unsupported where two tensors or operators are one table in the file: an edit of one
/// would change the other.
[[nodiscard]] Result<void> check_distinct(const TfliteModel& model);

/// Why a rewrite could not store weight `index` in `form`; empty: it can.
[[nodiscard]] std::string why_not(const TfliteModel& model, const RewriteOptions& options,
                                  std::size_t index, const Form& form);

/// Borrows from the model and from the edits' values.
/// errors: InvalidArgument for an edit that the format cannot hold, Unsupported for a file that
/// cannot be carried over.
[[nodiscard]] Result<RewritePlan> plan_rewrite(const TfliteModel& model,
                                               const RewriteOptions& options,
                                               std::span<const WeightEdit> edits);

}  // namespace visionpress::tflite
