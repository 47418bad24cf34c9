#pragma once

// Compares two flatbuffers by structure: which fields hold which values, whatever the byte
// positions.

#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "wire/flatbuffer_copy.h"

namespace visionpress {

/// Lists the paths at which two tables differ: "subgraphs[0].tensors[3].type". A field that only
/// one of them stores differs, even when its value is the default. An element that only one of two
/// vectors of tables has is listed as "PATH[i]: added" or "removed".
class FlatbufferDiff {
 public:
  static std::vector<std::string> list(const void* a, const void* b,
                                       const flatbuffers::TypeTable& type) {
    FlatbufferDiff diff;
    diff.compare_tables(as_table(a), as_table(b), type, "");
    return diff.differences_;
  }

 private:
  using Byte = std::uint8_t;

  static const flatbuffers::Table& as_table(const void* at) {
    return *static_cast<const flatbuffers::Table*>(at);
  }
  static const Byte* follow(const Byte* at) {
    return at + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
  }
  static std::size_t count_of(const Byte* vector) {
    return flatbuffers::ReadScalar<flatbuffers::uoffset_t>(vector);
  }
  static const Byte* element_of(const Byte* vector, std::size_t index) {
    return follow(vector + 4 * (index + 1));
  }

  static bool is_equal(const Byte* a, const Byte* b, const flatbuffers::TypeTable& type) {
    return list(a, b, type).empty();
  }

  void compare_tables(const flatbuffers::Table& a, const flatbuffers::Table& b,
                      const flatbuffers::TypeTable& type, const std::string& path) {
    for (std::size_t field = 0; field < type.num_elems; ++field) {
      const auto slot = static_cast<flatbuffers::voffset_t>(4 + 2 * field);
      const Byte* at_a = a.GetAddressOf(slot);
      const Byte* at_b = b.GetAddressOf(slot);
      const std::string place =
          fmt::format("{}{}{}", path, path.empty() ? "" : ".", type.names[field]);
      if ((at_a == nullptr) != (at_b == nullptr)) {
        differences_.push_back(place);
      } else if (at_a != nullptr) {
        compare_fields(at_a, at_b, type, field,
                       a.GetField<Byte>(static_cast<flatbuffers::voffset_t>(slot - 2), 0), place);
      }
    }
  }

  void compare_fields(const Byte* a, const Byte* b, const flatbuffers::TypeTable& type,
                      std::size_t field, std::size_t union_member, const std::string& place) {
    const auto code = type.type_codes[field];
    const auto base = static_cast<flatbuffers::ElementaryType>(code.base_type);
    const flatbuffers::TypeTable* sequence =
        code.sequence_ref < 0 ? nullptr : type.type_refs[code.sequence_ref]();
    if (base == flatbuffers::ET_SEQUENCE && sequence->st == flatbuffers::ST_UNION) {
      sequence = sequence->type_refs[sequence->type_codes[union_member].sequence_ref]();
    }
    if (base == flatbuffers::ET_SEQUENCE && code.is_repeating != 0) {
      compare_vectors(follow(a), follow(b), *sequence, place);
    } else if (base == flatbuffers::ET_SEQUENCE) {
      compare_tables(as_table(follow(a)), as_table(follow(b)), *sequence, place);
    } else if (code.is_repeating != 0 || base == flatbuffers::ET_STRING) {
      const std::size_t width = base == flatbuffers::ET_STRING ? 1 : flatbuffer_inline_bytes(base);
      const std::size_t count = count_of(follow(a));
      if (count != count_of(follow(b)) ||
          std::memcmp(follow(a) + 4, follow(b) + 4, count * width) != 0) {
        differences_.push_back(place);
      }
    } else if (std::memcmp(a, b, flatbuffer_inline_bytes(base)) != 0) {
      differences_.push_back(place);
    }
  }

  void compare_vectors(const Byte* a, const Byte* b, const flatbuffers::TypeTable& type,
                       const std::string& place) {
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < count_of(a) || j < count_of(b)) {
      const std::size_t left_a = count_of(a) - i;
      const std::size_t left_b = count_of(b) - j;
      if (left_a < left_b && (left_a == 0 || is_likelier(a, i, b, j + 1, j, type))) {
        differences_.push_back(fmt::format("{}[{}]: added", place, j++));
      } else if (left_a > left_b && (left_b == 0 || is_likelier(b, j, a, i + 1, i, type))) {
        differences_.push_back(fmt::format("{}[{}]: removed", place, i++));
      } else {
        compare_tables(as_table(element_of(a, i)), as_table(element_of(b, j)), type,
                       fmt::format("{}[{}]", place, i));
        ++i;
        ++j;
      }
    }
  }

  /// Whether one[at] looks more like other[next] than like other[here].
  static bool is_likelier(const Byte* one, std::size_t at, const Byte* other, std::size_t next,
                          std::size_t here, const flatbuffers::TypeTable& type) {
    return list(element_of(one, at), element_of(other, next), type).size() <
           list(element_of(one, at), element_of(other, here), type).size();
  }

  std::vector<std::string> differences_ = {};
};

}  // namespace visionpress
