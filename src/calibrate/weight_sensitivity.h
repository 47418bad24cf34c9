#pragma once

// How much a network's outputs change when one weight alone takes fewer bits. A search for the
// form of each weight starts from these figures.
//
//   VP_ASSIGN_OR_RETURN(const auto found, measure_weights(*model.source, pictures, press,
//                                                             {.forms = forms}));

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "calibrate/activation_walk.h"
#include "model/form.h"
#include "model/source_model.h"
#include "press/form_wish.h"
#include "press/press_options.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// One weight in one form, all others as they are.
struct FormSensitivity {
  FormWish wish = {};                ///< what was asked for
  Form form = {};                    ///< what the file makes of it (SourceModel::adapt)
  std::uint64_t bytes = 0;           ///< codes, scales and what the file needs around them
  std::uint64_t download_bytes = 0;  ///< about: by the entropy of the bytes of the codes
  /// Squared error of the network's outputs on the pictures, as a share of their squares; the mean
  /// over the outputs. Probabilities are compared before their softmax or sigmoid.
  double change = 0.0;
};

struct WeightSensitivity {
  std::size_t weight = 0;  ///< index into Graph::weights
  std::vector<FormSensitivity> forms = {};
};

struct WeightSensitivityOptions {
  std::vector<FormWish> forms = {};  ///< to try; those that do not fit a weight are left out for it
  std::size_t compared = 16;         ///< inputs whose outputs are compared, at most
  std::uint64_t seed = 1;            ///< of the positions that are sampled in each picture
  Shard shard = {};                  ///< of the weights that are measured
  /// Called before each weight: how many are done, how many there are, the layer's name.
  std::function<void(std::size_t, std::size_t, const std::string&)> progress = {};
};

/// Which inputs measure, and which choose no codes.
struct MeasuringInputs {
  std::vector<std::size_t> compared = {};  ///< ascending
  std::vector<std::size_t> left_out = {};  ///< ascending; all views of the compared pictures
};

/// A third of the pictures measure and choose no codes, at most `count` inputs of them: codes fit
/// the pictures that chose them better than others, above all in layers that see few positions. Of
/// fewer than three pictures, all do both.
[[nodiscard]] MeasuringInputs choose_measuring(const CalibrationPictures& pictures,
                                               std::size_t count);

/// Weights that could take one of the forms and that a layer reads, in the order of the graph.
/// Kernels with a matrix get calibrated codes (calibrate.h, without its last passes), others the
/// nearest ones.
/// press: `form` is ignored.  errors: of the runner, with the layer's path; Malformed where a
/// weight cannot be decoded.
[[nodiscard]] Result<std::vector<WeightSensitivity>> measure_weights(
    const SourceModel& model, const CalibrationPictures& pictures, const PressOptions& press,
    const WeightSensitivityOptions& options);

}  // namespace visionpress
