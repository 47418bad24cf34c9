#pragma once

/// Which runtimes take a model file, operator by operator, by the rules of each runtime.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

/// How a runtime runs one operator.
enum class RuntimeTake : std::uint8_t {
  Takes,    ///< the runtime's own kernels run it
  Falls,    ///< the runtime leaves it to a slower way, or to the app; the file still runs
  Refuses,  ///< the runtime cannot run it, and so not the file
};

/// The answer of one runtime for one operator.
struct RuntimeAnswer {
  RuntimeTake take = RuntimeTake::Takes;
  std::string since = {};  ///< the first release that takes it: "iOS 12"; empty if all known do
  std::string why = {};    ///< not taken: the reason
};

/// A runtime, and its answer for the whole file.
struct RuntimeInfo {
  std::string id = {};    ///< "xnnpack": the key in JSON, the column in CSV
  std::string name = {};  ///< "LiteRT 2.3.0, XNNPACK (its default on CPUs)"
  std::string basis =
      {};  ///< how the rules were checked: "compared with LiteRT 2.3.0", "documented"
  std::size_t taken = 0;  ///< operators that it runs itself
  /// Not empty: the file does not load or does not run there at all, with the reason.
  std::string refused_because = {};
  std::string since = {};  ///< the first release that takes the whole file: "iOS 13, macOS 10.15"
  std::string note = {};   ///< anything else to know about the whole file
  /// Runs of operators that it takes without interruption; 1 if it runs the file in one piece.
  std::size_t partitions = 0;
};

struct OperatorRuntimes {
  std::string name = {};
  std::string type = {};                    ///< the format's own name: "CONV_2D"
  int version = 0;                          ///< of the operator; 0: the format has none
  std::vector<RuntimeAnswer> answers = {};  ///< one per runtime of the report
};

/// One row per operator of the file, in its order; one column per runtime.
struct RuntimeReport {
  std::string file = {};
  std::string format = {};
  std::string format_version = {};
  std::vector<RuntimeInfo> runtimes = {};
  std::vector<OperatorRuntimes> operators = {};
  std::vector<std::string> warnings = {};
};

/// Judges a model file by the rules of each runtime that opens its format. Runs nothing.
/// input_size: width and height of an image input whose size the file leaves open.
/// errors: as inspect.
[[nodiscard]] Result<RuntimeReport> inspect_runtimes(
    const std::string& file,
    const std::optional<std::array<std::int64_t, 2>>& input_size = std::nullopt);

}  // namespace visionpress
