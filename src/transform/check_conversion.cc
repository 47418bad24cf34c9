#include "transform/check_conversion.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/stop.h"
#include "transform/compare_conversion.h"

namespace visionpress {
namespace {

std::string describe(const OutputDifference& difference) {
  if (!difference.other_form.empty()) return difference.other_form;
  if (std::isinf(difference.share)) {
    return fmt::format(
        "output \"{}\" holds numbers where its source has none, or none where it has",
        difference.output);
  }
  return fmt::format("output \"{}\" differs by {:.2g} of its range, {} is the most",
                     difference.output, difference.share, kMostConvertedDifference);
}

/// Adds the time between its construction and destruction.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// The moment at which the check's remaining time is up.
Stop time_limit(double check_seconds, const ConversionCheck& check) {
  // Longer than anybody waits, and short enough that no sum overflows the clock.
  constexpr double kLongest = 1e9;
  const std::chrono::duration<double> left(std::min(check_seconds - check.seconds, kLongest));
  const auto now = std::chrono::steady_clock::now();
  return {now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(left), nullptr};
}

}  // namespace

Result<void> check_conversion(const Graph& source, const Graph& written, const Shape& input_shape,
                              int threads, double check_seconds, ConvertResult& result) {
  const Stopwatch watch(result.check.seconds);
  const auto outcome = compare_conversion(source, written, input_shape, threads,
                                          time_limit(check_seconds, result.check));
  if (!outcome) {
    // What the runtime of the new format does not compute is a limit of the format, not our fault.
    const bool is_limit = outcome.error().kind == ErrorKind::Unsupported;
    return fail(is_limit ? ErrorKind::Unsupported : ErrorKind::Internal,
                "its source runs here and it does not: {}{}", outcome.error().message,
                is_limit ? "; --no-check writes it" : "");
  }
  if (outcome->was_stopped) {
    result.check.not_done_because = fmt::format("given up after {:g} s", check_seconds);
    result.warnings.push_back(
        fmt::format("not checked: run beside its source it takes more than {:g} s, which "
                    "--check-seconds allows",
                    check_seconds));
    return {};
  }
  if (!outcome->not_done_because.empty()) {
    return fail(
        ErrorKind::Unsupported,
        "its source cannot be run here, so the two cannot be compared ({}); --no-check writes "
        "it",
        outcome->not_done_because);
  }
  if (!outcome->difference.agrees()) {
    // TFLite's kernels treat NaN and infinity otherwise than TensorFlow's.
    const bool is_limit = std::isinf(outcome->difference.share);
    return fail(is_limit ? ErrorKind::Unsupported : ErrorKind::Internal,
                "run here beside its source {}; --no-check writes it",
                describe(outcome->difference));
  }
  result.check.done = true;
  result.check.difference = outcome->difference.share;
  if (outcome->not_finite > 0) {
    result.warnings.push_back(
        fmt::format("{} of {} values that the network gives on the picture of the check are NaN or "
                    "infinite, in its source too",
                    outcome->not_finite, outcome->values));
  }
  return {};
}

Result<void> measure_scheme(const Graph& source, const Graph& written, const Shape& input_shape,
                            int threads, double check_seconds, ConvertResult& result) {
  if (!result.check.done) return {};
  const Stopwatch watch(result.check.seconds);
  VP_ASSIGN_OR_RETURN(const ConversionOutcome outcome,
                      measure_conversion(source, written, input_shape, threads,
                                         time_limit(check_seconds, result.check)));
  if (outcome.was_stopped) {
    result.warnings.push_back(
        fmt::format("what the new weights change was not measured: it takes more than {:g} s, "
                    "which --check-seconds allows",
                    check_seconds));
    return {};
  }
  // The number of boxes may change with the weights; finite outputs must stay finite.
  if (!outcome.difference.other_form.empty()) return {};
  if (std::isfinite(outcome.difference.share)) {
    result.check.scheme_difference = outcome.difference.share;
    return {};
  }
  result.warnings.push_back(
      fmt::format("with weights as {} output \"{}\" holds NaN or infinity on the picture of the "
                  "check, which its source does not",
                  result.scheme, outcome.difference.output));
  return {};
}

}  // namespace visionpress
