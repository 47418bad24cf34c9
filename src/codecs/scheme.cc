#include "codecs/scheme.h"

#include <algorithm>
#include <array>

#include "codecs/fp16.h"
#include "codecs/linear_quant.h"

namespace visionpress {

std::span<const Scheme> all_schemes() {
  static const std::array schemes = {fp16_scheme(), linear8_scheme(), linear8_tensor_scheme()};
  return schemes;
}

const Scheme* find_scheme(std::string_view name) {
  const std::span<const Scheme> schemes = all_schemes();
  const auto* found = std::find_if(schemes.data(), schemes.data() + schemes.size(),
                                   [&](const Scheme& scheme) { return scheme.name == name; });
  return found == schemes.data() + schemes.size() ? nullptr : found;
}

}  // namespace visionpress
