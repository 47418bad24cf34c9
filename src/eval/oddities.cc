#include "eval/oddities.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace visionpress {

void Oddities::add(std::string_view kind, std::string place) {
  auto found = std::ranges::find(kinds_, kind, &Kind::text);
  if (found == kinds_.end()) {
    kinds_.push_back({std::string(kind), std::move(place), 0});
    found = kinds_.end() - 1;
  }
  ++found->count;
}

void Oddities::report(const std::string& file, Diagnostics& diagnostics) const {
  for (const Kind& kind : kinds_) {
    const char* const first = kind.count == 1 ? "" : "the first is ";
    diagnostics.warn(
        fmt::format("{}: {}: {}, {}{}", file, kind.text, kind.count, first, kind.first));
  }
}

}  // namespace visionpress
