#pragma once

// What is odd in a file but does not keep it from being scored: one warning for each kind.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

class Oddities {
 public:
  /// kind: what is odd, in the plural, with what is made of it ("boxes without any area, ...").
  /// place: of this one.
  void add(std::string_view kind, std::string place);

  /// "FILE: KIND: 3, the first is PLACE", in the order in which the kinds were met.
  void report(const std::string& file, Diagnostics& diagnostics) const;

 private:
  struct Kind {
    std::string text = {};
    std::string first = {};
    std::size_t count = 0;
  };
  std::vector<Kind> kinds_ = {};
};

}  // namespace visionpress
