#include "run/executor.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "run/codes.h"
#include "run/execution_plan.h"
#include "run/session_state.h"

namespace visionpress {
namespace {

/// Layers that cannot be run for the same reason.
struct Refused {
  std::string why = {};
  std::vector<std::pair<std::string, std::string>> layers = {};  ///< place and type
};

/// Lists every layer; a long list is shortened to each type with its first place.
std::string list_layers(const std::vector<std::pair<std::string, std::string>>& layers) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> parts;
  std::map<std::string, std::size_t> counts;
  for (const auto& [place, type] : layers) ++counts[type];
  for (const auto& [place, type] : layers) {
    if (layers.size() <= kShown || counts[type] == 1) {
      parts.push_back(fmt::format("{} ({})", place, type));
    } else if (counts[type] > 1) {
      parts.push_back(fmt::format("{} {} from {} on", counts[type], type, place));
      counts[type] = 0;  // this type is listed now
    }
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

// Reports all operators that cannot be run in one message, grouped by reason.
Result<void> check_runnable(const Graph& graph, bool is_part) {
  std::vector<Refused> reasons;
  std::size_t count = 0;
  for (const Node& node : graph.nodes) {
    const auto* unsupported = std::get_if<Unsupported>(&node.op);
    if (unsupported == nullptr) continue;
    ++count;
    auto reason = std::ranges::find(reasons, unsupported->why, &Refused::why);
    if (reason == reasons.end()) reason = reasons.insert(reasons.end(), {unsupported->why, {}});
    // TFLite's layer names can be a paragraph; the element path alone finds the layer.
    const std::string place =
        graph.format == Format::TfLite ? node.path.substr(0, node.path.find(' ')) : node.path;
    reason->layers.emplace_back(place, node.source_type);
  }
  if (count > 0) {
    std::vector<std::string> texts;
    texts.reserve(reasons.size());
    for (const Refused& reason : reasons) {
      texts.push_back(fmt::format("{}: {}", list_layers(reason.layers), reason.why));
    }
    return fail(ErrorKind::Unsupported, "{} of {} layers cannot be run: {}", count,
                count_layers(graph), fmt::join(texts, "; "));
  }
  if (graph.inputs.size() != 1 && !is_part) {
    return fail(ErrorKind::Unsupported, "it has {} inputs; models with one image input can be run",
                graph.inputs.size());
  }
  if (graph.outputs.empty()) return fail(ErrorKind::Malformed, "it has no outputs");
  return {};
}

Result<Shape> choose_input(const Graph& graph, const Shape& asked) {
  Shape shape = asked.empty() ? graph.tensor(graph.inputs[0]).shape : asked;
  if (!shape.empty() && shape[0] == -1) shape[0] = 1;
  constexpr std::int64_t kLargest = 1 << 28;  // values; an image of 9,000 x 9,000 pixels
  const auto count = element_count(shape);
  const std::string& name = graph.tensor(graph.inputs[0]).name;
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t size) { return size < 0; })) {
    return fail(ErrorKind::Unsupported,
                "input \"{}\" has the shape {}: its size is open, --input-size WxH gives it", name,
                to_string(shape));
  }
  if (!count || *count <= 0 || *count > kLargest) {
    return fail(ErrorKind::Unsupported,
                "input \"{}\" has the shape {}, inputs of 1 to {} values are run", name,
                to_string(shape), kLargest);
  }
  return shape;
}

/// Whether XNNPACK can run any of the graph's 8-bit layers. It cannot if all kernels have a type
/// that only the builtin kernels take.
bool has_xnnpack_layer(const Graph& graph) {
  return has_codes(graph) ||
         std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
           if (!is_dynamic_range(node.op)) return false;
           const DType kernel = graph.tensor(node.inputs[1]).dtype;
           const bool is_matrix = std::holds_alternative<FullyConnected>(node.op);
           return kernel == DType::Int8 || (is_matrix && kernel != DType::UInt8);
         });
}

std::string name_arithmetic(const Graph& graph, Arithmetic arithmetic, const ExecutionPlan& plan) {
  if (arithmetic == Arithmetic::Float16) return "float16 activations";
  if (!plan.is_hybrid) return plan.is_winograd ? "float32, Winograd" : "float32";
  const bool is_builtin = arithmetic == Arithmetic::Builtin || !has_xnnpack_layer(graph);
  return is_builtin ? "LiteRT builtin int8" : "LiteRT XNNPACK int8";
}

}  // namespace

struct Executor::Impl {
  const Graph* graph = nullptr;
  ExecutorOptions options = {};
  Shape input_shape = {};
  std::string arithmetic_name = {};
  std::mutex mutex = {};
  std::map<int, std::shared_ptr<const ExecutionPlan>> plans = {};

  Result<std::shared_ptr<const ExecutionPlan>> find_plan(int threads) {
    const std::scoped_lock lock(mutex);
    auto& plan = plans[threads];
    if (plan == nullptr) {
      auto built = make_execution_plan(*graph, options, input_shape, threads);
      if (!built) {
        plans.erase(threads);
        return tl::unexpected<Error>(std::move(built).error());
      }
      plan = std::make_shared<const ExecutionPlan>(std::move(*built));
    }
    return plan;
  }
};

Executor::Executor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;
Executor::~Executor() = default;

Result<Executor> Executor::create(const Graph& graph, const ExecutorOptions& options) {
  VP_RETURN_IF_ERROR(check_runnable(graph, options.is_part));
  auto impl = std::make_unique<Impl>();
  impl->graph = &graph;
  impl->options = options;
  if (impl->options.threads <= 0) impl->options.threads = default_thread_count();
  // A part takes the shapes of its tensors; one that only computes constants has no input.
  if (!options.is_part) {
    VP_ASSIGN_OR_RETURN(impl->input_shape, choose_input(graph, options.input_shape));
  }
  VP_ASSIGN_OR_RETURN(const auto plan, impl->find_plan(impl->options.threads));
  impl->arithmetic_name = name_arithmetic(graph, options.arithmetic, *plan);
  return Executor(std::move(impl));
}

const Shape& Executor::input_shape() const { return impl_->input_shape; }
const std::string& Executor::arithmetic_name() const { return impl_->arithmetic_name; }

Result<Session> Executor::make_session(int threads) const {
  VP_ASSIGN_OR_RETURN(auto plan, impl_->find_plan(threads > 0 ? threads : impl_->options.threads));
  return Session(std::make_unique<Session::Impl>(std::move(plan)));
}

}  // namespace visionpress
