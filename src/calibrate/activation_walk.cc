#include "calibrate/activation_walk.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <thread>

#include "base/error.h"
#include "lower/axis_order.h"

namespace visionpress {
namespace {

constexpr std::size_t kNoNode = std::numeric_limits<std::size_t>::max();

std::size_t index_of(TensorId id) { return static_cast<std::size_t>(id); }

/// Nodes that compute with constants and sizes alone. A part of the network must contain them,
/// because operators read them while they are built.
std::vector<bool> find_fixed(const Graph& graph) {
  std::vector<bool> is_fixed(graph.nodes.size(), false);
  std::vector<bool> is_constant(graph.tensors.size(), false);
  for (std::size_t i = 0; i < graph.tensors.size(); ++i)
    is_constant[i] = graph.tensors[i].is_constant();
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    is_fixed[n] = std::holds_alternative<ShapeOf>(node.op) ||
                  std::all_of(node.inputs.begin(), node.inputs.end(), [&](TensorId id) {
                    return id == kNoTensor || is_constant[index_of(id)];
                  });
    if (!is_fixed[n]) continue;
    for (const TensorId id : node.outputs) is_constant[index_of(id)] = true;
  }
  return is_fixed;
}

}  // namespace

ActivationWalk::ActivationWalk(const Graph& graph, const CalibrationPictures& pictures, int threads)
    : graph_(graph),
      pictures_(pictures),
      threads_(threads),
      writer_(graph.tensors.size(), kNoNode),
      readers_(graph.tensors.size()),
      is_fixed_(find_fixed(graph)),
      is_done_(graph.nodes.size(), false),
      kept_() {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const TensorId id : graph.nodes[n].outputs) writer_[index_of(id)] = n;
    for (const TensorId id : graph.nodes[n].inputs) {
      if (id != kNoTensor) readers_[index_of(id)].push_back(n);
    }
  }
  kept_[graph.inputs[0]].shape = pictures.shape;
}

std::vector<std::size_t> ActivationWalk::list_needed(TensorId tensor) const {
  std::set<std::size_t> needed;
  std::vector<TensorId> open = {tensor};
  while (!open.empty()) {
    const TensorId id = open.back();
    open.pop_back();
    if (id == kNoTensor || kept_.contains(id)) continue;
    const std::size_t writer = writer_[index_of(id)];
    if (writer == kNoNode || !needed.insert(writer).second) continue;
    const std::vector<TensorId>& inputs = graph_.nodes[writer].inputs;
    open.insert(open.end(), inputs.begin(), inputs.end());
  }
  return {needed.begin(), needed.end()};
}

Graph ActivationWalk::make_part(const Graph& graph, const std::vector<std::size_t>& nodes) const {
  Graph part = graph;
  part.nodes.clear();
  part.inputs.clear();
  part.outputs.clear();
  std::set<TensorId> inputs;
  for (const std::size_t n : nodes) {
    part.nodes.push_back(graph.nodes[n]);
    for (const TensorId id : graph.nodes[n].inputs) {
      if (id != kNoTensor && kept_.contains(id)) inputs.insert(id);
    }
  }
  for (const TensorId id : inputs) {
    part.inputs.push_back(id);
    part.tensors[index_of(id)].shape = kept_.at(id).shape;
  }
  return part;
}

std::vector<TensorId> ActivationWalk::list_outputs(const std::vector<std::size_t>& nodes,
                                                   TensorId wanted) const {
  std::set<std::size_t> inside;
  for (const std::size_t n : nodes) {
    if (!is_fixed_[n]) inside.insert(n);
  }
  std::vector<TensorId> outputs;
  for (const std::size_t n : inside) {
    for (const TensorId id : graph_.nodes[n].outputs) {
      const std::vector<std::size_t>& readers = readers_[index_of(id)];
      const bool is_read_later = std::any_of(readers.begin(), readers.end(), [&](std::size_t r) {
        return !inside.contains(r) && !is_done_[r];
      });
      if (is_read_later || id == wanted) outputs.push_back(id);
    }
  }
  return outputs;
}

Result<std::vector<Session>> ActivationWalk::make_sessions(const Executor& executor,
                                                           std::size_t pictures) const {
  std::vector<Session> sessions;
  const auto count = std::min(static_cast<std::size_t>(threads_), pictures);
  for (std::size_t i = 0; i < count; ++i) {
    VP_ASSIGN_OR_RETURN(Session session, executor.make_session());
    sessions.push_back(std::move(session));
  }
  return sessions;
}

Result<void> ActivationWalk::make_room(const Graph& part, const Session& session) {
  for (std::size_t i = 0; i < part.outputs.size(); ++i) {
    const Shape& shape = session.outputs()[i].shape;
    if (is_open(shape)) {
      return fail(ErrorKind::Unsupported, "the size of \"{}\" is known only in a run",
                  graph_.tensor(part.outputs[i]).name);
    }
    Kept& kept = kept_[part.outputs[i]];
    kept.shape = shape;
    kept.values.resize(picture_count());
  }
  return {};
}

Result<void> ActivationWalk::run_picture(const Graph& part, std::size_t picture,
                                         Session& session) const {
  std::vector<std::span<const float>> inputs;
  for (const TensorId id : part.inputs) inputs.push_back(values(picture, id));
  return session.run_part(inputs);
}

Result<void> ActivationWalk::run_part(const Graph& part, std::span<const std::size_t> pictures,
                                      const std::function<Result<void>(const Session&)>& on_start,
                                      const OnPicture& on_picture) const {
  ExecutorOptions options;
  options.is_part = true;
  options.threads = 1;
  VP_ASSIGN_OR_RETURN(const Executor executor, Executor::create(part, options));
  VP_ASSIGN_OR_RETURN(std::vector<Session> sessions, make_sessions(executor, pictures.size()));
  VP_RETURN_IF_ERROR(on_start(sessions.front()));
  std::vector<Result<void>> ran(pictures.size());
  const auto work = [&](std::size_t worker) {
    for (std::size_t p = worker; p < ran.size(); p += sessions.size()) {
      ran[p] = run_picture(part, pictures[p], sessions[worker]);
      if (ran[p]) on_picture(p, sessions[worker]);
    }
  };
  {
    // Plain threads: a Session sees each as the first thread of a team of one.
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < sessions.size(); ++i) others.emplace_back(work, i);
    work(0);
  }
  for (Result<void>& each : ran) VP_RETURN_IF_ERROR(std::move(each));
  return {};
}

void ActivationWalk::drop_read(TensorId wanted) {
  std::erase_if(kept_, [&](const auto& entry) {
    const std::vector<std::size_t>& readers = readers_[index_of(entry.first)];
    return entry.first != wanted && std::all_of(readers.begin(), readers.end(),
                                                [this](std::size_t n) { return is_done_[n]; });
  });
}

Result<void> ActivationWalk::advance(TensorId tensor) {
  const std::vector<std::size_t> nodes = list_needed(tensor);
  if (!nodes.empty()) {
    Graph part = make_part(graph_, nodes);
    part.outputs = list_outputs(nodes, tensor);
    std::vector<std::size_t> all(picture_count());
    std::iota(all.begin(), all.end(), std::size_t{0});
    VP_RETURN_IF_ERROR(run_part(
        part, all, [&](const Session& session) { return make_room(part, session); },
        [&](std::size_t picture, const Session& session) {
          for (std::size_t i = 0; i < part.outputs.size(); ++i) {
            const std::span<const float> found = session.outputs()[i].values;
            kept_.find(part.outputs[i])->second.values[picture].assign(found.begin(), found.end());
          }
        }));
  }
  for (const std::size_t n : nodes) is_done_[n] = !is_fixed_[n];
  drop_read(tensor);
  return {};
}

Result<std::vector<std::vector<std::vector<float>>>> ActivationWalk::look_ahead(
    const Graph& changed, std::span<const TensorId> tensors,
    std::span<const std::size_t> pictures) const {
  std::set<std::size_t> nodes;
  for (const TensorId tensor : tensors) {
    const std::vector<std::size_t> needed = list_needed(tensor);
    nodes.insert(needed.begin(), needed.end());
  }
  Graph part = make_part(changed, {nodes.begin(), nodes.end()});
  part.outputs.assign(tensors.begin(), tensors.end());
  std::vector<std::vector<std::vector<float>>> found(pictures.size());
  VP_RETURN_IF_ERROR(run_part(
      part, pictures, [](const Session& /*session*/) -> Result<void> { return {}; },
      [&](std::size_t place, const Session& session) {
        for (const OutputView& output : session.outputs())
          found[place].emplace_back(output.values.begin(), output.values.end());
      }));
  return found;
}

std::span<const float> ActivationWalk::values(std::size_t picture, TensorId tensor) const {
  const Kept& kept = kept_.at(tensor);
  return kept.values.empty() ? std::span<const float>(pictures_.inputs[picture])
                             : std::span<const float>(kept.values[picture]);
}

bool ActivationWalk::has_reached(TensorId tensor) const {
  const std::size_t writer = writer_[index_of(tensor)];
  return kept_.contains(tensor) || writer == kNoNode || is_done_[writer];
}

const Shape& ActivationWalk::shape(TensorId tensor) const { return kept_.at(tensor).shape; }

}  // namespace visionpress
