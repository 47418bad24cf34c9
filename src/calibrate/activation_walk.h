#pragma once

// Runs a network over a set of pictures piece by piece: as far as the next layer that is worked on,
// and no further. Each node runs once per picture, and only activations that nodes still to come
// read are kept.
//
//   ActivationWalk walk(graph, pictures, threads);
//   VP_RETURN_IF_ERROR(walk.advance(node.inputs[0]));
//   std::span<const float> x = walk.values(picture, node.inputs[0]);

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "model/graph.h"
#include "run/executor.h"
#include "visionpress/result.h"

namespace visionpress {

/// The input of each picture, in the graph's layout: all of one shape, batch 1.
struct CalibrationPictures {
  Shape shape = {};
  std::vector<std::vector<float>> inputs = {};
  std::size_t views = 1;  ///< inputs that show one picture; they follow each other
};

class ActivationWalk {
 public:
  /// graph: borrowed. Weights of nodes that have not run yet may be replaced between calls.
  /// pictures: borrowed; one or more, for the graph's one input.
  /// threads: pictures that run at once, each on one thread; results do not depend on it.
  ActivationWalk(const Graph& graph, const CalibrationPictures& pictures, int threads);

  /// Runs the nodes that `tensor` needs and that have not run.
  /// errors: of the runner, with the node's path; Unsupported where a size is known only in a run.
  [[nodiscard]] Result<void> advance(TensorId tensor);

  /// The nodes that `advance` would run, ascending.
  [[nodiscard]] std::vector<std::size_t> list_needed(TensorId tensor) const;
  /// Runs on to `tensors` with the weights of another graph; the walk itself stays where it is.
  /// changed: the walk's graph with other weights.  tensors: none of them reached yet.
  /// pictures: the indices of those that run.
  /// returns: by picture and tensor, the values.  errors: as `advance`.
  [[nodiscard]] Result<std::vector<std::vector<std::vector<float>>>> look_ahead(
      const Graph& changed, std::span<const TensorId> tensors,
      std::span<const std::size_t> pictures) const;
  /// A tensor to which the walk has advanced, until the walk passes its last reader.
  [[nodiscard]] std::span<const float> values(std::size_t picture, TensorId tensor) const;
  /// Whether the walk has come to the tensor or past it: weights that are replaced from here on do
  /// not change it.
  [[nodiscard]] bool has_reached(TensorId tensor) const;
  [[nodiscard]] const Shape& shape(TensorId tensor) const;
  [[nodiscard]] std::size_t picture_count() const { return pictures_.inputs.size(); }

 private:
  /// An activation of every picture.
  struct Kept {
    Shape shape = {};
    std::vector<std::vector<float>> values = {};  ///< by picture; empty: the graph's input
  };

  using OnPicture = std::function<void(std::size_t place, const Session& session)>;
  /// The nodes with what they read as inputs, and no outputs yet.
  [[nodiscard]] Graph make_part(const Graph& graph, const std::vector<std::size_t>& nodes) const;
  /// What nodes outside of the part still read, and `wanted`.
  [[nodiscard]] std::vector<TensorId> list_outputs(const std::vector<std::size_t>& nodes,
                                                   TensorId wanted) const;
  [[nodiscard]] Result<std::vector<Session>> make_sessions(const Executor& executor,
                                                           std::size_t pictures) const;
  [[nodiscard]] Result<void> run_picture(const Graph& part, std::size_t picture,
                                         Session& session) const;
  /// on_picture: called with the place in `pictures`, by several threads at once.
  [[nodiscard]] Result<void> run_part(const Graph& part, std::span<const std::size_t> pictures,
                                      const std::function<Result<void>(const Session&)>& on_start,
                                      const OnPicture& on_picture) const;
  [[nodiscard]] Result<void> make_room(const Graph& part, const Session& session);
  /// Frees activations that no node still to come reads, apart from `wanted`.
  void drop_read(TensorId wanted);

  const Graph& graph_;
  const CalibrationPictures& pictures_;
  int threads_;
  std::vector<std::size_t> writer_;  ///< by tensor: the node that writes it, or none
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<bool> is_fixed_;  ///< by node: its results are the same for every picture
  std::vector<bool> is_done_;   ///< by node; fixed nodes never are, each part runs them again
  std::map<TensorId, Kept> kept_;
};

}  // namespace visionpress
