#pragma once

// Calibrated rounding: finishes the codes of a plan with what a few dozen unlabelled pictures show
// about each layer's inputs.
//
//   VP_ASSIGN_OR_RETURN(Plan plan, make_plan(*model.source, press));
//   VP_ASSIGN_OR_RETURN(auto rows, calibrate(*model.source, pictures, press, options, plan));
//   VP_ASSIGN_OR_RETURN(auto pressed, encode_plan(plan, store));

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "calibrate/activation_walk.h"
#include "model/source_model.h"
#include "press/plan.h"
#include "visionpress/result.h"

namespace visionpress {

struct CalibrateOptions {
  /// Noise that the codes may add in exchange for fewer bytes to download, about: the sum over the
  /// layers of noise / signal, 0 to 1. Each layer gets what saves most bits. More noise, fewer
  /// bytes. 0: each kernel gets the least noise that its form allows.
  double noise_budget = 0.0;
  std::uint64_t seed = 1;  ///< of the positions that are sampled in each picture
  /// Called before each layer: how many are done, how many there are, the layer's name.
  std::function<void(std::size_t, std::size_t, const std::string&)> progress = {};
};

/// One weight whose codes were chosen by pictures.
struct CalibratedWeight {
  std::size_t weight = 0;  ///< index into Graph::weights
  std::size_t samples = 0;
  /// Signal to noise ratio of the layer's results on the pictures, in dB. The noise is their
  /// difference from those of the fitted kernel.
  double snr_db = 0.0;
  /// Not empty: the codes stay those of the plan without pictures.
  std::string not_because = {};
};

/// Works through the layers in the order of the graph. Each layer's kernel is fitted to inputs from
/// the network whose earlier layers have their new codes, rounded with the error of each column
/// spread over the others, and its bias corrected where the layer has one.
/// model: of the plan.  pictures: inputs of the network, one or more.
/// plan: kernels that change get finished codes; biases of these layers, too.
/// errors: of the runner, with the layer's path; Malformed where a weight cannot be decoded;
/// InvalidArgument for a noise budget outside 0 to 1.
[[nodiscard]] Result<std::vector<CalibratedWeight>> calibrate(const SourceModel& model,
                                                              const CalibrationPictures& pictures,
                                                              const PressOptions& press,
                                                              const CalibrateOptions& options,
                                                              Plan& plan);

/// Checks that the library of matrix products is there.  errors: Unsupported, naming it.
[[nodiscard]] Result<void> check_blas();

/// About the most bytes that one picture's activations take in both networks at a time.
/// errors: of infer_shapes.
[[nodiscard]] Result<std::uint64_t> count_activation_bytes(const Graph& graph,
                                                           const Shape& input_shape);

}  // namespace visionpress
