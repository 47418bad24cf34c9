#include "codecs/family.h"

#include <algorithm>
#include <array>
#include <vector>

#include "codecs/fp16.h"
#include "codecs/linear.h"
#include "codecs/palette.h"

namespace visionpress {

std::span<const Family> all_families() {
  static const std::array families = {fp16_family(), linear_family(), palette_family()};
  return families;
}

const Family* find_family(const Form& form) {
  for (const Family& family : all_families()) {
    const bool has_bits = form.bits >= family.least_bits && form.bits <= family.most_bits;
    if (family.encoding == form.encoding && has_bits) return &family;
  }
  return nullptr;
}

std::span<const OfferedForm> all_offered() {
  static const std::vector<OfferedForm> rows = [] {
    std::vector<OfferedForm> all;
    for (const Family& family : all_families()) {
      all.insert(all.end(), family.offered.begin(), family.offered.end());
    }
    return all;
  }();
  return rows;
}

const OfferedForm* find_offered(std::string_view name) {
  for (const OfferedForm& offered : all_offered()) {
    if (name_of(offered.form) == name) return &offered;
  }
  return nullptr;
}

}  // namespace visionpress
