#pragma once

// What one operator is to the executor. An operator is built once, for known sizes, and then run
// by any number of sessions at the same time: it keeps no state of a run.
//
// Physical order: a tensor of four axes lies in memory as N,H,W,C whatever the graph's layout; any
// other rank lies in its logical order. oneDNN's convolutions are as fast on N,H,W,C as on their
// own blocked layouts, and one order keeps every other operator simple.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lower/axis_order.h"
#include "model/graph.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Bytes that every buffer of a run begins at a multiple of: one cache line, and what vector loads
/// like.
inline constexpr std::size_t kBufferAlign = 64;

[[nodiscard]] constexpr std::size_t align_up(std::size_t bytes) {
  return (bytes + kBufferAlign - 1) / kBufferAlign * kBufferAlign;
}

/// Smallest and largest value of a tensor, where its writer learned them on the way.
struct ActivationRange {
  float low = 0.0F;
  float high = 0.0F;
};

/// What an operator sees of one input while it is built.
struct InputDesc {
  Shape dims = {};                 ///< physical order
  const Tensor* tensor = nullptr;  ///< null for an optional input that is absent
  const Weight* weight = nullptr;  ///< the stored weight, for constants that are one
  const float* values = nullptr;   ///< of what is known before the run, physical order; may be null
};

/// An activation and a 2x2 stride-2 max pool that follow a convolution and are done in its last
/// pass.
struct Epilogue {
  std::optional<Unary> activation = std::nullopt;
  bool max_pool_2x2 = false;
};

/// Whose rounding float operators follow where the last bit can decide a code of a hybrid layer.
enum class FloatMath : std::uint8_t {
  Plain,    ///< correctly rounded functions, sums in double
  Xnnpack,  ///< LiteRT's default
  Builtin,  ///< LiteRT's builtin kernels
};
/// TFLite networks with hybrid layers follow their runtime, unless asked for `float` or `f16`.
[[nodiscard]] FloatMath float_math_of(const Graph& graph, Arithmetic arithmetic);

struct BuildContext {
  std::span<const InputDesc> inputs = {};
  std::size_t output_count = 1;
  Layout layout = Layout::ChannelsLast;
  Arithmetic arithmetic = Arithmetic::Runtime;
  int threads = 1;            ///< of every run
  bool may_be_empty = false;  ///< a size of 0 is nothing found in this run, no fault of the file
  FloatMath float_math = FloatMath::Plain;
  /// Sizes of the results by the operator's shape rule, physical order; -1: counted in the run.
  std::span<const Shape> results = {};

  /// Whether 8-bit kernels read quantized activations, as in the format's runtime; else they are
  /// decoded.
  [[nodiscard]] bool follows_runtime() const {
    return arithmetic == Arithmetic::Runtime || arithmetic == Arithmetic::Builtin;
  }
};

/// What an operator tells of its run beyond the values.
struct RunReport {
  Result<void> status = {};               ///< set where the inputs allow no result
  std::vector<std::int64_t> counts = {};  ///< first sizes of the outputs that it counts, by output
};

/// One run's buffers. `scratch` has the operator's scratch_bytes, kBufferAlign aligned.
struct RunContext {
  std::span<const float* const> inputs = {};
  std::span<float* const> outputs = {};
  std::byte* scratch = nullptr;
  std::span<const std::optional<ActivationRange>> input_ranges = {};
  std::optional<ActivationRange>* output_range = nullptr;  ///< of output 0; may be set, need not
  RunReport* report = nullptr;  ///< never null; empty status, `counts` as in output_dims
};

class Operator {
 public:
  Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;
  virtual ~Operator() = default;

  virtual void run(const RunContext& context) const = 0;

  /// Whether the first size of an output is counted in the run and its `output_dims` say how many
  /// there can be.
  [[nodiscard]] bool counts(std::size_t output) const {
    return output < counted_outputs.size() && counted_outputs[output];
  }

  std::vector<Shape> output_dims = {};     ///< physical order, one an output
  std::vector<bool> counted_outputs = {};  ///< see counts; may be shorter than the outputs
  std::size_t scratch_bytes = 0;
  bool is_hybrid = false;  ///< multiplies 8-bit integers
};

using OperatorResult = Result<std::unique_ptr<Operator>>;

/// Values of a constant input in its logical order; whole numbers and truth values as floats.
/// errors: Malformed from the decoder.
[[nodiscard]] Result<std::vector<float>> load_constant(const InputDesc& input);

/// Index of a logical axis (negative: from the innermost) in the physical order.
/// errors: Malformed when it lies outside.
[[nodiscard]] Result<int> physical_axis(int axis, std::size_t rank, Layout layout);

/// Whether the elements of a tensor lie in another order than the graph's.
[[nodiscard]] bool orders_differ(const Shape& physical, Layout layout);

/// element_count of sizes that the executor has checked already.
[[nodiscard]] std::size_t count_of(const Shape& dims);

/// Builders, one operator a file in ops/. The shapes have been checked by the operator's rule
/// (lower/shape_rules.h), which gave `context.results`. errors: Unsupported for a form that cannot
/// be run, Malformed for parameters that do not fit.
[[nodiscard]] OperatorResult make_conv2d(const Conv2d& op, const Epilogue& epilogue,
                                         const BuildContext& context);
[[nodiscard]] OperatorResult make_hybrid_conv2d(const Conv2d& op, const Epilogue& epilogue,
                                                const BuildContext& context);
/// Whether the builders above can do Epilogue::max_pool_2x2 for this convolution.
[[nodiscard]] bool can_pool_in_conv2d(const Conv2d& op, const BuildContext& context);
[[nodiscard]] bool can_pool_in_hybrid_conv2d(const Conv2d& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_fully_connected(const FullyConnected& op,
                                                  const BuildContext& context);
[[nodiscard]] OperatorResult make_batch_matmul(const BatchMatMul& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_pool2d(const Pool2d& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_unary(const Unary& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_binary(const Binary& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_prelu(const BuildContext& context);
[[nodiscard]] OperatorResult make_batch_norm(const BatchNorm& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_instance_norm(const InstanceNorm& op,
                                                const BuildContext& context);
[[nodiscard]] OperatorResult make_softmax(const Softmax& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_concat(const Concat& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_reshape(const BuildContext& context);
[[nodiscard]] OperatorResult make_squeeze(const BuildContext& context);
[[nodiscard]] OperatorResult make_expand_dims(const BuildContext& context);
[[nodiscard]] OperatorResult make_transpose(const Transpose& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_pad(const Pad& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_slice(const Slice& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_split(const Split& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_resize(const Resize& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_reduce(const Reduce& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_space_depth(const SpaceDepth& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_space_batch(const SpaceBatch& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_gather(const Gather& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_gather_nd(const BuildContext& context);
[[nodiscard]] OperatorResult make_select(const BuildContext& context);
[[nodiscard]] OperatorResult make_where(const BuildContext& context);
[[nodiscard]] OperatorResult make_tile(const Tile& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_shape_of(const BuildContext& context);
[[nodiscard]] OperatorResult make_non_max_suppression(const NonMaxSuppression& op,
                                                      const BuildContext& context);
[[nodiscard]] OperatorResult make_take_rows(const BuildContext& context);
[[nodiscard]] OperatorResult make_top_k(const TopK& op, const BuildContext& context);

}  // namespace visionpress
