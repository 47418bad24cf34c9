#include "transform/compare_conversion.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "run/executor.h"

namespace visionpress {
namespace {

/// Values of one output.
struct CheckedOutput {
  std::string name = {};
  Shape shape = {};
  std::vector<float> values = {};
};
using CheckedOutputs = std::vector<CheckedOutput>;

/// Numerical Recipes' linear congruential generator: small, and its numbers are the same on every
/// platform.
class Noise {
 public:
  explicit Noise(std::uint32_t seed) : state_(seed * 2654435761U + 1U) {}
  /// 0 to 1.
  double next() {
    state_ = state_ * 1664525U + 1013904223U;
    return static_cast<double>(state_ >> 8U) / static_cast<double>(1U << 24U);
  }

 private:
  std::uint32_t state_;
};

/// Makes an input. An image [N,H,W,C] gets pixels of 0..255 that resemble a photograph (slow waves
/// and noise); inputs of other ranks get numbers in -1..1.
std::vector<float> make_picture(const Shape& shape, std::uint32_t number) {
  Noise noise(number);
  std::vector<float> values(static_cast<std::size_t>(element_count(shape).value_or(0)));
  if (shape.size() != 4) {
    for (float& value : values) value = static_cast<float>(2.0 * noise.next() - 1.0);
    return values;
  }
  const auto height = static_cast<std::size_t>(shape[1]);
  const auto width = static_cast<std::size_t>(shape[2]);
  const auto channels = static_cast<std::size_t>(shape[3]);
  const double turns = 2.0 * std::numbers::pi;
  const std::array<double, 4> phases = {noise.next(), noise.next(), noise.next(), noise.next()};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i % channels;
    const double x = static_cast<double>(i / channels % width) / static_cast<double>(width);
    const double y =
        static_cast<double>(i / channels / width % height) / static_cast<double>(height);
    const double wave = std::sin(turns * (2.0 * x + phases[c % 4])) +
                        std::cos(turns * (3.0 * y - x + phases[(c + 1) % 4]));
    const double level = 127.5 + 45.0 * wave + 70.0 * (noise.next() - 0.5);
    values[i] = static_cast<float>(std::round(std::clamp(level, 0.0, 255.0)));
  }
  return values;
}

/// How both graphs are run.
struct CheckRun {
  const Shape& input_shape;
  int threads = 1;
  const Stop& stop;
};

Result<CheckedOutputs> run_once(const Graph& graph, Arithmetic arithmetic, const CheckRun& run,
                                std::uint32_t picture) {
  ExecutorOptions options;
  options.arithmetic = arithmetic;
  options.threads = run.threads;
  options.input_shape = run.input_shape;
  VP_ASSIGN_OR_RETURN(const Executor executor, Executor::create(graph, options));
  VP_ASSIGN_OR_RETURN(Session session, executor.make_session());
  VP_RETURN_IF_ERROR(session.run(make_picture(run.input_shape, picture), run.stop));
  CheckedOutputs outputs;
  for (const OutputView& view : session.outputs()) {
    outputs.push_back({view.name, view.shape, {view.values.begin(), view.values.end()}});
  }
  return outputs;
}

double output_share(const std::vector<float>& expected, const std::vector<float>& found) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const float value : expected) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, static_cast<double>(value));
    high = std::max(high, static_cast<double>(value));
  }
  const double span =
      low > high ? 0.0 : high - low + 0.1 * std::max(std::fabs(low), std::fabs(high));
  double worst = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const bool both_nan = std::isnan(expected[i]) && std::isnan(found[i]);
    if (expected[i] == found[i] || both_nan) continue;
    if (!std::isfinite(expected[i]) || !std::isfinite(found[i]))
      return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::fabs(static_cast<double>(expected[i]) - found[i]));
  }
  // The least span, for outputs of zeros alone: a denormal in place of a zero is not a difference.
  constexpr double kLeastSpan = 1e-30;
  return worst / std::max(span, kLeastSpan);
}

OutputDifference compare(const CheckedOutputs& expected, const CheckedOutputs& found) {
  OutputDifference difference;
  if (expected.size() != found.size()) {
    difference.other_form = fmt::format("{} outputs for {}", found.size(), expected.size());
    return difference;
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i].shape != found[i].shape) {
      difference.output = expected[i].name;
      difference.other_form =
          fmt::format("output \"{}\" has the shape {}, its source's {}", expected[i].name,
                      to_string(found[i].shape), to_string(expected[i].shape));
      return difference;
    }
    const double share = output_share(expected[i].values, found[i].values);
    if (share < difference.share || (share == 0.0 && i > 0)) continue;
    difference.share = share;
    difference.output = expected[i].name;
  }
  return difference;
}

bool jumps(const Op& op) {
  if (const auto* unary = std::get_if<Unary>(&op)) return is_stepwise(unary->kind);
  if (const auto* binary = std::get_if<Binary>(&op)) {
    switch (binary->kind) {
      case BinaryKind::FloorDivide:
      case BinaryKind::FloorModulo:
      case BinaryKind::Greater:
      case BinaryKind::GreaterEqual:
      case BinaryKind::Less:
      case BinaryKind::LessEqual:
      case BinaryKind::Equal:
      case BinaryKind::NotEqual:
        return true;
      default:
        return false;
    }
  }
  if (const auto* reduce = std::get_if<Reduce>(&op))
    return reduce->kind == ReduceKind::ArgMax || reduce->kind == ReduceKind::ArgMin;
  return std::holds_alternative<Where>(op) || std::holds_alternative<TopK>(op) ||
         std::holds_alternative<NonMaxSuppression>(op);
}

bool has_jumps(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Node& node) { return jumps(node.op); });
}

/// Runs both graphs on one picture.
Result<ConversionOutcome> compare_once(const Graph& source, const Graph& written,
                                       Arithmetic arithmetic, const CheckRun& run,
                                       std::uint32_t picture) {
  ConversionOutcome outcome;
  const auto expected = run_once(source, Arithmetic::Float, run, picture);
  if (!expected && run.stop.is_due()) {
    outcome.was_stopped = true;
    return outcome;
  }
  if (!expected) {
    outcome.not_done_because = expected.error().message;
    return outcome;
  }
  for (const CheckedOutput& output : *expected) {
    outcome.values += output.values.size();
    for (const float value : output.values) outcome.not_finite += std::isfinite(value) ? 0 : 1;
  }
  const auto found = run_once(written, arithmetic, run, picture);
  // The time limit ended the run; the file is not at fault.
  if (!found && run.stop.is_due()) return ConversionOutcome{.was_stopped = true};
  if (!found) return tl::unexpected<Error>(found.error());
  outcome.difference = compare(*expected, *found);
  return outcome;
}

}  // namespace

Result<ConversionOutcome> compare_conversion(const Graph& source, const Graph& written,
                                             const Shape& input_shape, int threads,
                                             const Stop& stop) {
  const CheckRun run = {input_shape, threads, stop};
  VP_ASSIGN_OR_RETURN(const ConversionOutcome first,
                      compare_once(source, written, Arithmetic::Float, run, 0));
  const bool is_done = first.was_stopped || !first.not_done_because.empty();
  if (is_done || first.difference.agrees() || !has_jumps(source)) return first;
  std::vector<ConversionOutcome> agreeing;
  constexpr std::uint32_t kPictures = 5;
  constexpr std::size_t kEnough = 3;
  for (std::uint32_t picture = 1; picture < kPictures; ++picture) {
    VP_ASSIGN_OR_RETURN(ConversionOutcome outcome,
                        compare_once(source, written, Arithmetic::Float, run, picture));
    if (outcome.was_stopped) return outcome;
    if (outcome.not_done_because.empty() && outcome.difference.agrees())
      agreeing.push_back(std::move(outcome));
  }
  return agreeing.size() >= kEnough ? agreeing.front() : first;
}

Result<ConversionOutcome> measure_conversion(const Graph& source, const Graph& written,
                                             const Shape& input_shape, int threads,
                                             const Stop& stop) {
  return compare_once(source, written, Arithmetic::Runtime, {input_shape, threads, stop}, 0);
}

}  // namespace visionpress
