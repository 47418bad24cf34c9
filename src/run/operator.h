#pragma once

// The executor's interface to one operator. An operator is built once, for known sizes. Any number
// of sessions can then run it at the same time, because it keeps no state of a run.
//
// Physical order: a tensor of four axes is stored as N,H,W,C whatever the graph's layout; a tensor
// of any other rank is stored in its logical order. oneDNN's convolutions are as fast on N,H,W,C as
// on their own blocked layouts, and one order keeps every other operator simple.

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

/// Alignment in bytes of every buffer of a run: one cache line, which is also the width of the
/// largest vector load.
inline constexpr std::size_t kBufferAlign = 64;

[[nodiscard]] constexpr std::size_t align_up(std::size_t bytes) {
  return (bytes + kBufferAlign - 1) / kBufferAlign * kBufferAlign;
}

/// The smallest and largest value of a tensor, if its writer computed them anyway.
struct ActivationRange {
  float low = 0.0F;
  float high = 0.0F;
};

/// One input as an operator sees it while it is built.
struct InputDesc {
  Shape dims = {};                 ///< physical order
  const Tensor* tensor = nullptr;  ///< null for an optional input that is absent
  const Weight* weight = nullptr;  ///< the stored weight; null if the input is not one
  const float* values = nullptr;   ///< values known before the run, physical order; may be null
};

/// y = scale * x + shift, one pair per channel.
struct ChannelAffine {
  std::vector<double> scale = {};
  std::vector<double> shift = {};
};

/// The batch norm, activation and 2x2 stride-2 max pool that a convolution takes over, in this
/// order.
struct Epilogue {
  std::optional<ChannelAffine> batch_norm = std::nullopt;  ///< of float convolutions
  std::optional<Unary> activation = std::nullopt;
  bool max_pool_2x2 = false;
};

/// The runtime whose rounding float operators reproduce where the last bit can decide a code of a
/// hybrid layer.
enum class FloatMath : std::uint8_t {
  Plain,    ///< correctly rounded functions, sums in double
  Xnnpack,  ///< LiteRT's XNNPACK kernels, its default
  Builtin,  ///< LiteRT's builtin kernels
};
/// TFLite networks with hybrid or integer layers follow their runtime unless the user chose `float`
/// or `f16`.
[[nodiscard]] FloatMath float_math_of(const Graph& graph, Arithmetic arithmetic);

struct BuildContext {
  std::span<const InputDesc> inputs = {};
  std::size_t output_count = 1;
  Layout layout = Layout::ChannelsLast;
  Arithmetic arithmetic = Arithmetic::Runtime;
  int threads = 1;            ///< per run
  bool may_be_empty = false;  ///< a size of 0 is valid: this run found nothing to process
  FloatMath float_math = FloatMath::Plain;
  /// Sizes of the results by the operator's shape rule, in physical order; -1: the run counts it.
  std::span<const Shape> results = {};
  std::span<const Tensor* const> outputs = {};  ///< the results' tensors; may be empty in tests

  /// Whether 8-bit kernels multiply quantized activations, as the format's runtime does. If not,
  /// the kernels are decoded to float.
  [[nodiscard]] bool follows_runtime() const {
    return arithmetic == Arithmetic::Runtime || arithmetic == Arithmetic::Builtin;
  }
};

/// The results of an operator's run other than the values.
struct RunReport {
  Result<void> status = {};               ///< an error if the inputs allow no result
  std::vector<std::int64_t> counts = {};  ///< by output: the first size, if the run counts it
};

/// The buffers of one run. `scratch` has the operator's scratch_bytes and is aligned to
/// kBufferAlign.
struct RunContext {
  std::span<const float* const> inputs = {};
  std::span<float* const> outputs = {};
  std::byte* scratch = nullptr;
  std::span<const std::optional<ActivationRange>> input_ranges = {};
  std::optional<ActivationRange>* output_range = nullptr;  ///< of output 0; the operator may set it
  /// Never null; starts with an empty status and `counts` as in output_dims.
  RunReport* report = nullptr;
};

class Operator {
 public:
  Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;
  virtual ~Operator() = default;

  virtual void run(const RunContext& context) const = 0;

  /// Whether the run counts the first size of an output; `output_dims` then holds the upper bound.
  [[nodiscard]] bool counts(std::size_t output) const {
    return output < counted_outputs.size() && counted_outputs[output];
  }

  std::vector<Shape> output_dims = {};     ///< physical order, one per output
  std::vector<bool> counted_outputs = {};  ///< see `counts`; missing entries are false
  std::size_t scratch_bytes = 0;
  bool is_hybrid = false;    ///< whether it multiplies 8-bit integers
  bool is_winograd = false;  ///< whether it sums in the order of Winograd's convolutions
};

using OperatorResult = Result<std::unique_ptr<Operator>>;

/// Values of a constant input in its logical order; whole numbers and truth values become floats.
/// errors: Malformed from the decoder.
[[nodiscard]] Result<std::vector<float>> load_constant(const InputDesc& input);

/// Index in the physical order of a logical axis (negative: counted from the innermost).
/// errors: Malformed when it lies outside.
[[nodiscard]] Result<int> physical_axis(int axis, std::size_t rank, Layout layout);

/// Whether the physical order of a tensor differs from the graph's order.
[[nodiscard]] bool orders_differ(const Shape& physical, Layout layout);

/// element_count for sizes that the executor has already checked, so it cannot fail.
[[nodiscard]] std::size_t count_of(const Shape& dims);

/// The builder of each operator, in ops/. The operator's shape rule (lower/shape_rules.h) has
/// checked the shapes and given `context.results`. errors: Unsupported for a form that cannot be
/// run, Malformed for parameters that do not fit.
#define VP_DECLARE_BUILDER(Name) \
  [[nodiscard]] OperatorResult build_operator(const Name& op, const BuildContext& context);
VP_DECLARE_BUILDER(Unsupported)
VP_EACH_OPERATOR(VP_DECLARE_BUILDER)
#undef VP_DECLARE_BUILDER

/// A batch norm as a scale and a shift per channel. inputs: of the node.
/// errors: Malformed where a constant's length is not the number of channels.
[[nodiscard]] Result<ChannelAffine> load_affine(const BatchNorm& op,
                                                std::span<const InputDesc> inputs);

/// Convolutions with what they compute in their last pass.
[[nodiscard]] OperatorResult make_conv2d(const Conv2d& op, const Epilogue& epilogue,
                                         const BuildContext& context);
[[nodiscard]] OperatorResult make_hybrid_conv2d(const Conv2d& op, const Epilogue& epilogue,
                                                const BuildContext& context);
/// Whether make_conv2d can compute Epilogue::max_pool_2x2 for this convolution.
[[nodiscard]] bool can_pool_in_conv2d(const Conv2d& op, const BuildContext& context);
[[nodiscard]] bool can_pool_in_hybrid_conv2d(const Conv2d& op, const BuildContext& context);

}  // namespace visionpress
