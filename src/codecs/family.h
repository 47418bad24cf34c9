#pragma once

// The families of forms: fp16, linear, palette. A family is one file in this folder that encodes to
// all of its forms; the number of bits is data. Each name that users may request is one row of its
// family's table.
//
//   const OfferedForm* offered = find_offered("linear-8");
//   auto encoded = find_family(offered->form)->encode(weights, shape, offered->form, {});

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/float_view.h"
#include "codecs/encode_error.h"
#include "model/form.h"
#include "model/kernel_axes.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// Options of an encoder in addition to the form.
struct EncodeOptions {
  int channel_axis = 0;  ///< the axis of the shape that Granularity::Channel means
  /// Linear codes: a value halfway between two codes is rounded away from zero, as TensorFlow 1.12
  /// did; else to the even code. Not where `taps` are given.
  bool ties_away = false;
  /// Linear codes of fewer than 8 bits per channel: how a channel's values meet its layer's inputs.
  /// Their rounding errors are then made to cancel (sum_rounding.h); else each is the nearest code.
  std::optional<ChannelTaps> taps = std::nullopt;
  int threads = 1;               ///< the result does not depend on it
  EncodeError* error = nullptr;  ///< not null: filled in the encoder's own pass over the weights
};

/// A form that users may request by its name (name_of).
struct OfferedForm {
  Form form = {};
  std::string_view help = {};  ///< one line
  /// Commands that try every form try it unasked. Forms of fewer bits cost accuracy.
  bool is_default = false;
};

struct Family {
  std::string_view name;
  Encoding encoding;
  int least_bits;  ///< the encoder takes least_bits..most_bits
  int most_bits;
  std::size_t min_elements;  ///< smaller weights stay as they are by default
  std::span<const OfferedForm> offered;
  /// weights: row-major of `shape`, finite, at any alignment.  form: of this family.
  /// errors: InvalidArgument for NaN or infinity, where `shape` does not fit them, and for a form
  /// that the family does not have.
  Result<EncodedWeight> (*encode)(FloatView weights, const Shape& shape, const Form& form,
                                  const EncodeOptions& options);
};

/// All families, in the order of the help.
[[nodiscard]] std::span<const Family> all_families();

/// The family that encodes to `form`; null where there is none.
[[nodiscard]] const Family* find_family(const Form& form);

/// Every form that users may request, in the order of the help.
[[nodiscard]] std::span<const OfferedForm> all_offered();
/// returns: null for a name that is not offered.
[[nodiscard]] const OfferedForm* find_offered(std::string_view name);

}  // namespace visionpress
