#pragma once

// Copies flatbuffers table by table, following the type tables that flatc makes of a schema
// (--reflect-names). Stored fields stay stored and absent ones stay absent, so that a scalar which
// equals its default, or an empty vector, is copied as it is.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

/// Position of an object in a builder, counted from the end, as flatbuffers does.
using FlatbufferOffset = flatbuffers::uoffset_t;

/// Copies tables of one verified flatbuffer into a builder, with some fields replaced.
/// The source must have passed the verifier of the schema that the type tables come from.
class FlatbufferCopier {
 public:
  FlatbufferCopier(Bytes source, flatbuffers::FlatBufferBuilder& builder)
      : source_(source), builder_(builder) {}

  /// Makes vectors in field `field` of `type` begin at multiples of `alignment`. Type tables do not
  /// carry the schema's force_align.
  void align_vectors(const flatbuffers::TypeTable& type, std::size_t field, std::size_t alignment);

  /// Later copies of `table` hold this value in `field` (the field's id), whatever the source
  /// holds.
  void replace_offset(const void* table, std::size_t field, FlatbufferOffset offset);
  void replace_scalar(const void* table, std::size_t field, std::uint32_t value);
  void remove(const void* table, std::size_t field);

  /// Copies one table and everything it refers to. Objects that several tables share stay shared.
  /// path: where the table lies, for messages; empty for the root.
  /// errors: Unsupported when the file stores something that the schema does not know, with its
  /// path.
  [[nodiscard]] Result<FlatbufferOffset> copy_table(const void* table,
                                                    const flatbuffers::TypeTable& type,
                                                    const std::string& path);

  /// One past the last byte of the source that belongs to anything copied so far.
  [[nodiscard]] std::size_t source_end() const { return source_end_; }

 private:
  struct Replacement {
    bool removed = false;
    FlatbufferOffset offset = 0;  ///< 0: a scalar
    std::uint32_t scalar = 0;
  };
  struct PathPart {
    const char* name = nullptr;
    std::size_t index = kNoIndex;
  };
  /// A field to store: an offset to a copied object, or bytes of the source.
  struct StoredField {
    std::size_t field = 0;
    std::size_t size = 0;  ///< inline bytes
    FlatbufferOffset offset = 0;
    std::array<std::uint8_t, 8> scalar = {};
  };
  static constexpr std::size_t kNoIndex = static_cast<std::size_t>(-1);

  [[nodiscard]] Result<FlatbufferOffset> copy_table(const flatbuffers::Table& table,
                                                    const flatbuffers::TypeTable& type);
  [[nodiscard]] Result<void> check_known(const flatbuffers::Table& table,
                                         const flatbuffers::TypeTable& type);
  [[nodiscard]] Result<void> collect_field(const flatbuffers::Table& table,
                                           const flatbuffers::TypeTable& type, std::size_t field,
                                           std::vector<StoredField>& stored);
  [[nodiscard]] Result<FlatbufferOffset> copy_referred(const flatbuffers::Table& table,
                                                       const flatbuffers::TypeTable& type,
                                                       std::size_t field);
  [[nodiscard]] Result<FlatbufferOffset> copy_union(const flatbuffers::Table& table,
                                                    const flatbuffers::TypeTable& type,
                                                    const flatbuffers::TypeTable& members,
                                                    std::size_t field);
  [[nodiscard]] Result<FlatbufferOffset> copy_tables(const std::uint8_t* vector,
                                                     const flatbuffers::TypeTable& element);
  [[nodiscard]] FlatbufferOffset copy_numbers(const std::uint8_t* vector, std::size_t element_bytes,
                                              std::size_t alignment);
  [[nodiscard]] FlatbufferOffset copy_string(const std::uint8_t* string);
  [[nodiscard]] FlatbufferOffset store_fields(std::vector<StoredField>& stored);
  [[nodiscard]] Result<FlatbufferOffset> copy_strings(const std::uint8_t* vector);
  [[nodiscard]] tl::unexpected<Error> refuse(const std::string& what) const;
  void note_end(const std::uint8_t* begin, std::size_t bytes);

  Bytes source_;
  flatbuffers::FlatBufferBuilder& builder_;
  std::map<std::pair<const flatbuffers::TypeTable*, std::size_t>, std::size_t> alignments_ = {};
  std::map<std::pair<const void*, std::size_t>, Replacement> replacements_ = {};
  /// Offsets of the copied objects. The key is the source object's address and how it was read: its
  /// table type with 0 for one table and 1 for a vector of tables, or the alignment of a string or
  /// a vector of numbers.
  std::map<std::tuple<const void*, const flatbuffers::TypeTable*, std::size_t>, FlatbufferOffset>
      copied_ = {};
  std::string path_ = {};
  std::vector<PathPart> parts_ = {};
  std::size_t source_end_ = 0;
};

/// Bytes of one inline value; 4 for values that are stored as an offset.
[[nodiscard]] std::size_t flatbuffer_inline_bytes(flatbuffers::ElementaryType type);

}  // namespace visionpress
