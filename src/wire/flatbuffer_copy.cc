#include "wire/flatbuffer_copy.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/error.h"

namespace visionpress {
namespace {

using flatbuffers::ElementaryType;
using flatbuffers::Table;
using flatbuffers::TypeTable;
using flatbuffers::uoffset_t;
using flatbuffers::voffset_t;

constexpr std::size_t kMaxTableDepth = 64;   ///< the verifier's default
constexpr std::size_t kVtableHeadBytes = 4;  ///< its own size and the table's, 2 bytes each

voffset_t slot_of(std::size_t field) {
  return static_cast<voffset_t>(kVtableHeadBytes + sizeof(voffset_t) * field);
}

/// The address that the offset at `at` points to.
const std::uint8_t* follow(const std::uint8_t* at) {
  return at + flatbuffers::ReadScalar<uoffset_t>(at);
}

const Table& as_table(const void* at) { return *static_cast<const Table*>(at); }

std::size_t element_count_of(const std::uint8_t* vector) {
  return flatbuffers::ReadScalar<uoffset_t>(vector);
}

const TypeTable* sequence_of(const TypeTable& type, std::size_t field) {
  const auto reference = type.type_codes[field].sequence_ref;
  return reference < 0 ? nullptr : type.type_refs[reference]();
}

}  // namespace

std::size_t flatbuffer_inline_bytes(ElementaryType type) {
  switch (type) {
    case flatbuffers::ET_UTYPE:
    case flatbuffers::ET_BOOL:
    case flatbuffers::ET_CHAR:
    case flatbuffers::ET_UCHAR:
      return 1;
    case flatbuffers::ET_SHORT:
    case flatbuffers::ET_USHORT:
      return 2;
    case flatbuffers::ET_LONG:
    case flatbuffers::ET_ULONG:
    case flatbuffers::ET_DOUBLE:
      return 8;
    default:
      return 4;
  }
}

void FlatbufferCopier::align_vectors(const TypeTable& type, std::size_t field,
                                     std::size_t alignment) {
  alignments_[{&type, field}] = alignment;
}

void FlatbufferCopier::replace_offset(const void* table, std::size_t field,
                                      FlatbufferOffset offset) {
  replacements_[{table, field}] = {false, offset, 0};
}

void FlatbufferCopier::replace_scalar(const void* table, std::size_t field, std::uint32_t value) {
  replacements_[{table, field}] = {false, 0, value};
}

void FlatbufferCopier::remove(const void* table, std::size_t field) {
  replacements_[{table, field}] = {true, 0, 0};
}

Result<FlatbufferOffset> FlatbufferCopier::copy_table(const void* table, const TypeTable& type,
                                                      const std::string& path) {
  path_ = path;
  parts_.clear();
  return copy_table(as_table(table), type);
}

tl::unexpected<Error> FlatbufferCopier::refuse(const std::string& what) const {
  std::string place = path_;
  for (const PathPart& part : parts_) {
    if (part.index != kNoIndex) {
      place += fmt::format("[{}]", part.index);
    } else {
      place += fmt::format("{}{}", place.empty() ? "" : ".", part.name);
    }
  }
  return fail(ErrorKind::Unsupported, "{}{}{}", place, place.empty() ? "" : ": ", what);
}

void FlatbufferCopier::note_end(const std::uint8_t* begin, std::size_t bytes) {
  const auto* start = view_as<const std::uint8_t>(source_.data());
  source_end_ = std::max(source_end_, static_cast<std::size_t>(begin - start) + bytes);
}

Result<void> FlatbufferCopier::check_known(const Table& table, const TypeTable& type) {
  const std::uint8_t* vtable = table.GetVTable();
  const std::size_t vtable_bytes = flatbuffers::ReadScalar<voffset_t>(vtable);
  note_end(vtable, vtable_bytes);
  const auto* begin = view_as<const std::uint8_t>(&table);
  // The verifier accepts a vtable that holds only its own length; such a one does not say the
  // table's.
  const bool says_size = vtable_bytes >= kVtableHeadBytes;
  note_end(begin, says_size ? flatbuffers::ReadScalar<voffset_t>(vtable + sizeof(voffset_t))
                            : sizeof(flatbuffers::soffset_t));
  // A copy would lose fields that the schema does not have.
  for (std::size_t at = slot_of(type.num_elems); at + sizeof(voffset_t) <= vtable_bytes;
       at += sizeof(voffset_t)) {
    if (flatbuffers::ReadScalar<voffset_t>(vtable + at) != 0) {
      return refuse(fmt::format("field {} is not in the schema",
                                (at - kVtableHeadBytes) / sizeof(voffset_t)));
    }
  }
  return {};
}

Result<FlatbufferOffset> FlatbufferCopier::copy_table(const Table& table, const TypeTable& type) {
  const auto known = copied_.find({&table, &type, 0});
  if (known != copied_.end()) return known->second;
  // A table in a vector adds two parts to the path, the field and the index.
  if (parts_.size() > 2 * kMaxTableDepth) return refuse("tables are nested too deeply");
  VP_RETURN_IF_ERROR(check_known(table, type));
  std::vector<StoredField> stored;
  for (std::size_t field = 0; field < type.num_elems; ++field) {
    parts_.push_back({type.names[field], kNoIndex});
    VP_RETURN_IF_ERROR(collect_field(table, type, field, stored));
    parts_.pop_back();
  }
  const FlatbufferOffset offset = store_fields(stored);
  copied_[{&table, &type, 0}] = offset;
  return offset;
}

Result<void> FlatbufferCopier::collect_field(const Table& table, const TypeTable& type,
                                             std::size_t field, std::vector<StoredField>& stored) {
  const auto code = type.type_codes[field];
  const auto base = static_cast<ElementaryType>(code.base_type);
  const bool referred =
      code.is_repeating != 0 || base == flatbuffers::ET_STRING || base == flatbuffers::ET_SEQUENCE;
  StoredField value;
  value.field = field;
  value.size = referred ? sizeof(uoffset_t) : flatbuffer_inline_bytes(base);
  const std::uint8_t* at = table.GetAddressOf(slot_of(field));
  if (const auto found = replacements_.find({&table, field}); found != replacements_.end()) {
    // A removed payload still belongs to the source.
    if (at != nullptr && code.is_repeating != 0 && code.sequence_ref < 0) {
      const std::uint8_t* vector = follow(at);
      note_end(vector,
               sizeof(uoffset_t) + element_count_of(vector) * flatbuffer_inline_bytes(base));
    }
    if (found->second.removed) return {};
    value.offset = found->second.offset;
    std::memcpy(value.scalar.data(), &found->second.scalar, sizeof(found->second.scalar));
    stored.push_back(value);
    return {};
  }
  if (at == nullptr) return {};
  if (referred) {
    VP_ASSIGN_OR_RETURN(value.offset, copy_referred(table, type, field));
  } else {
    std::memcpy(value.scalar.data(), at, value.size);
  }
  stored.push_back(value);
  return {};
}

Result<FlatbufferOffset> FlatbufferCopier::copy_referred(const Table& table, const TypeTable& type,
                                                         std::size_t field) {
  const auto code = type.type_codes[field];
  const auto base = static_cast<ElementaryType>(code.base_type);
  const std::uint8_t* target = follow(table.GetAddressOf(slot_of(field)));
  const TypeTable* sequence = sequence_of(type, field);
  if (base == flatbuffers::ET_SEQUENCE && sequence->st == flatbuffers::ST_UNION) {
    if (code.is_repeating != 0) return refuse("vectors of unions are not copied");
    return copy_union(table, type, *sequence, field);
  }
  if (base == flatbuffers::ET_SEQUENCE && sequence->st != flatbuffers::ST_TABLE) {
    return refuse("structs are not copied");
  }
  if (code.is_repeating == 0) {
    return base == flatbuffers::ET_STRING ? Result<FlatbufferOffset>(copy_string(target))
                                          : copy_table(as_table(target), *sequence);
  }
  if (base == flatbuffers::ET_SEQUENCE) return copy_tables(target, *sequence);
  if (base == flatbuffers::ET_STRING) return copy_strings(target);
  const auto alignment = alignments_.find({&type, field});
  return copy_numbers(target, flatbuffer_inline_bytes(base),
                      alignment == alignments_.end() ? 0 : alignment->second);
}

Result<FlatbufferOffset> FlatbufferCopier::copy_union(const Table& table, const TypeTable& type,
                                                      const TypeTable& members, std::size_t field) {
  // A union's type is the field before its value.
  const std::size_t member = table.GetField<std::uint8_t>(slot_of(field - 1), 0);
  if (member == 0 || member >= members.num_elems) {
    return refuse(fmt::format("{} {} is not in the schema", type.names[field - 1], member));
  }
  const TypeTable* chosen = sequence_of(members, member);
  if (chosen == nullptr || chosen->st != flatbuffers::ST_TABLE) {
    return refuse("unions of other things than tables are not copied");
  }
  return copy_table(as_table(follow(table.GetAddressOf(slot_of(field)))), *chosen);
}

Result<FlatbufferOffset> FlatbufferCopier::copy_tables(const std::uint8_t* vector,
                                                       const TypeTable& element) {
  const auto known = copied_.find({vector, &element, 1});
  if (known != copied_.end()) return known->second;
  const std::size_t count = element_count_of(vector);
  note_end(vector, sizeof(uoffset_t) * (count + 1));
  std::vector<flatbuffers::Offset<void>> offsets;
  offsets.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    parts_.push_back({nullptr, i});
    const std::uint8_t* target = follow(vector + sizeof(uoffset_t) * (i + 1));
    VP_ASSIGN_OR_RETURN(const FlatbufferOffset offset, copy_table(as_table(target), element));
    offsets.emplace_back(offset);
    parts_.pop_back();
  }
  return copied_[{vector, &element, 1}] = builder_.CreateVector(offsets).o;
}

Result<FlatbufferOffset> FlatbufferCopier::copy_strings(const std::uint8_t* vector) {
  const std::size_t count = element_count_of(vector);
  note_end(vector, sizeof(uoffset_t) * (count + 1));
  std::vector<flatbuffers::Offset<void>> offsets;
  offsets.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    offsets.emplace_back(copy_string(follow(vector + sizeof(uoffset_t) * (i + 1))));
  }
  return builder_.CreateVector(offsets).o;
}

FlatbufferOffset FlatbufferCopier::copy_numbers(const std::uint8_t* vector,
                                                std::size_t element_bytes, std::size_t alignment) {
  FlatbufferOffset& copied = copied_[{vector, nullptr, std::max(alignment, element_bytes)}];
  if (copied != 0) return copied;
  const std::size_t count = element_count_of(vector);
  note_end(vector, sizeof(uoffset_t) + count * element_bytes);
  if (alignment != 0) builder_.ForceVectorAlignment(count, element_bytes, alignment);
  builder_.StartVector(count, element_bytes);
  builder_.PushBytes(vector + sizeof(uoffset_t), count * element_bytes);
  return copied = builder_.EndVector(count);
}

FlatbufferOffset FlatbufferCopier::copy_string(const std::uint8_t* string) {
  FlatbufferOffset& copied = copied_[{string, nullptr, 1}];
  if (copied != 0) return copied;
  const std::size_t count = element_count_of(string);
  note_end(string, sizeof(uoffset_t) + count + 1);
  const auto* text = view_as<const char>(string + sizeof(uoffset_t));
  return copied = builder_.CreateString(text, count).o;
}

FlatbufferOffset FlatbufferCopier::store_fields(std::vector<StoredField>& stored) {
  // Widest first: the builder then needs the least padding.
  std::stable_sort(stored.begin(), stored.end(),
                   [](const StoredField& a, const StoredField& b) { return a.size > b.size; });
  const uoffset_t start = builder_.StartTable();
  for (const StoredField& value : stored) {
    const voffset_t slot = slot_of(value.field);
    const Bytes scalar = std::as_bytes(std::span(value.scalar));
    // Fields are written by width, not by type, so their bits stay as they are. AddElement without
    // a default stores values that equal the default too.
    if (value.offset != 0) {
      builder_.AddOffset(slot, flatbuffers::Offset<void>(value.offset));
    } else if (value.size == 8) {
      builder_.AddElement<std::uint64_t>(slot, load_le<std::uint64_t>(scalar, 0));
    } else if (value.size == 4) {
      builder_.AddElement<std::uint32_t>(slot, load_le<std::uint32_t>(scalar, 0));
    } else if (value.size == 2) {
      builder_.AddElement<std::uint16_t>(slot, load_le<std::uint16_t>(scalar, 0));
    } else {
      builder_.AddElement<std::uint8_t>(slot, value.scalar[0]);
    }
  }
  return builder_.EndTable(start);
}

}  // namespace visionpress
