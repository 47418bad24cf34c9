// Flatbuffers: a table begins with the signed distance back to its vtable, which lists the places
// of its fields from the table's start (0: absent); a field of another table, a vector or a string
// is the unsigned distance to it; a vector begins with its count. All are 32 bits, a vtable's 16.
// source: google.github.io/flatbuffers, internals.

#include "formats/tflite/tflite_extent.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>

namespace visionpress {
namespace {

/// Fields of the schema's tables (tflite_schema.fbs), by their index.
constexpr std::size_t kOperatorCodes = 1;
constexpr std::size_t kSubgraphs = 2;
constexpr std::size_t kDescription = 3;
constexpr std::size_t kBuffers = 4;
constexpr std::size_t kMetadata = 6;
constexpr std::size_t kTensors = 0;
constexpr std::size_t kOperators = 3;
constexpr std::size_t kBufferData = 0;
constexpr std::size_t kBufferOffset = 1;
constexpr std::size_t kBufferSize = 2;

/// Follows offsets and notes how far they reach. Places beyond the end are noted and not read.
class Extent {
 public:
  explicit Extent(Bytes file) : file_(file) {}

  [[nodiscard]] bool is_damaged() const { return is_damaged_; }
  [[nodiscard]] std::uint64_t reach() const { return reach_; }

  /// Notes that the file needs `count` bytes from `at` on. returns: whether it has them.
  bool need(std::uint64_t at, std::uint64_t count) {
    reach_ = std::max(reach_, at + count);
    return at <= file_.size() && count <= file_.size() - at;
  }

  template <typename T>
  std::optional<T> read(std::uint64_t at) {
    if (!need(at, sizeof(T))) return std::nullopt;
    return load_le<T>(file_, at);
  }

  /// The place of a table's field; nothing if it is absent or not in the file.
  std::optional<std::uint64_t> find_field(std::uint64_t table, std::size_t field) {
    const auto back = read<std::int32_t>(table);
    if (!back) return std::nullopt;
    const std::int64_t vtable = static_cast<std::int64_t>(table) - *back;
    if (vtable < 0) {
      is_damaged_ = true;
      return std::nullopt;
    }
    const auto start = static_cast<std::uint64_t>(vtable);
    const auto size = read<std::uint16_t>(start);
    const std::uint64_t slot = 4 + 2 * field;
    if (!size || slot + 2 > *size) return std::nullopt;
    const auto place = read<std::uint16_t>(start + slot);
    if (!place || *place == 0) return std::nullopt;
    return table + *place;
  }

  /// The place that a field points to.
  std::optional<std::uint64_t> follow(std::uint64_t table, std::size_t field) {
    const auto at = find_field(table, field);
    const auto distance = at ? read<std::uint32_t>(*at) : std::nullopt;
    if (!distance) return std::nullopt;
    return *at + *distance;
  }

  /// Notes a vector of elements of `width` bytes. returns: its count, if it is in the file.
  std::uint64_t count_vector(std::optional<std::uint64_t> vector, std::uint64_t width) {
    const auto count = vector ? read<std::uint32_t>(*vector) : std::nullopt;
    if (!count || !need(*vector + 4, *count * width)) return 0;
    return *count;
  }

  /// Calls body(table) for each table of a vector of tables.
  template <typename Body>
  void for_each_table(std::uint64_t table, std::size_t field, const Body& body) {
    const auto vector = follow(table, field);
    const std::uint64_t count = count_vector(vector, 4);
    for (std::uint64_t i = 0; i < count && tables_left_ > 0; ++i, --tables_left_) {
      const std::uint64_t at = *vector + 4 + 4 * i;
      if (const auto distance = read<std::uint32_t>(at)) body(at + *distance);
    }
  }

 private:
  Bytes file_;
  std::uint64_t reach_ = 0;
  bool is_damaged_ = false;
  /// Many subgraphs may share one list of tensors, so a small file can ask for any number of
  /// visits.
  std::size_t tables_left_ = std::size_t{1} << 22;
};

void visit_buffer(Extent& extent, std::uint64_t buffer) {
  extent.count_vector(extent.follow(buffer, kBufferData), 1);
  const auto offset_at = extent.find_field(buffer, kBufferOffset);
  const auto size_at = extent.find_field(buffer, kBufferSize);
  if (!offset_at || !size_at) return;
  const auto offset = extent.read<std::uint64_t>(*offset_at);
  const auto size = extent.read<std::uint64_t>(*size_at);
  constexpr std::uint64_t kMost = std::uint64_t{1} << 40;  // bytes; so that the sum cannot overflow
  if (offset && size && *offset > 1 && *offset < kMost && *size < kMost)
    extent.need(*offset, *size);
}

void visit_subgraph(Extent& extent, std::uint64_t subgraph) {
  // The first fields of a tensor and of an operator: shape, name, quantization; inputs, outputs.
  const auto visit = [&extent](std::uint64_t table) {
    for (const std::size_t field : {0U, 1U, 2U, 3U, 4U}) (void)extent.find_field(table, field);
  };
  extent.for_each_table(subgraph, kTensors, visit);
  extent.for_each_table(subgraph, kOperators, visit);
}

}  // namespace

std::optional<std::uint64_t> find_tflite_bytes(Bytes file) {
  Extent extent(file);
  const auto root = extent.read<std::uint32_t>(0);
  if (!root) return std::nullopt;
  extent.count_vector(extent.follow(*root, kDescription), 1);
  const auto visit_start = [&extent](std::uint64_t table) { (void)extent.find_field(table, 0); };
  extent.for_each_table(*root, kOperatorCodes, visit_start);
  extent.for_each_table(*root, kMetadata, visit_start);
  extent.for_each_table(*root, kSubgraphs,
                        [&extent](std::uint64_t table) { visit_subgraph(extent, table); });
  extent.for_each_table(*root, kBuffers,
                        [&extent](std::uint64_t table) { visit_buffer(extent, table); });
  if (extent.is_damaged() || extent.reach() <= file.size()) return std::nullopt;
  return extent.reach();
}

}  // namespace visionpress
