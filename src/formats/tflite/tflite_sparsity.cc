#include "formats/tflite/tflite_sparsity.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "base/half.h"
#include "model/tensor.h"

namespace visionpress::tflite {
namespace {

/// One axis of the order in which the values are stored. A block of an axis is an axis of its own.
struct Level {
  std::int64_t size = 0;  ///< of a dense axis
  bool is_sparse = false;
  std::vector<std::int64_t> segments = {};  ///< by parent: where its entries begin in `indices`
  std::vector<std::int64_t> indices = {};
  std::int64_t stride = 0;  ///< in the dense values
};

template <typename Table>
std::vector<std::int64_t> to_integers(const Table* table) {
  if (table == nullptr || table->values() == nullptr) return {};
  return {table->values()->begin(), table->values()->end()};
}

std::vector<std::int64_t> read_vector(tfl::SparseIndexVector type, const void* table) {
  switch (type) {
    case tfl::SparseIndexVector::Int32Vector:
      return to_integers(static_cast<const tfl::Int32Vector*>(table));
    case tfl::SparseIndexVector::Uint16Vector:
      return to_integers(static_cast<const tfl::Uint16Vector*>(table));
    case tfl::SparseIndexVector::Uint8Vector:
      return to_integers(static_cast<const tfl::Uint8Vector*>(table));
    default:
      return {};
  }
}

Level read_level(const tfl::DimensionMetadata& stored) {
  Level level;
  level.is_sparse = stored.format() != 0;
  level.size = stored.dense_size();
  level.segments = read_vector(stored.array_segments_type(), stored.array_segments());
  level.indices = read_vector(stored.array_indices_type(), stored.array_indices());
  return level;
}

tl::unexpected<Error> wrong(const char* what) {
  return fail(ErrorKind::Malformed, "its sparsity {}", what);
}

/// The levels, with the stride of each in the dense tensor of this shape.
Result<std::vector<Level>> read_levels(const tfl::SparsityParameters& stored, const Shape& shape) {
  const auto* order = stored.traversal_order();
  const std::size_t blocks = stored.block_map() == nullptr ? 0 : stored.block_map()->size();
  const std::size_t count = shape.size() + blocks;
  constexpr std::size_t kMostLevels = 16;
  if (order == nullptr || stored.dim_metadata() == nullptr || order->size() != count ||
      stored.dim_metadata()->size() != count || count > kMostLevels) {
    return wrong("does not describe each axis");
  }
  std::vector<Level> levels;
  std::vector<std::size_t> level_of(count, count);  // by axis: blocks follow the tensor's own
  for (std::size_t l = 0; l < count; ++l) {
    const auto at = static_cast<flatbuffers::uoffset_t>(l);
    const auto axis = static_cast<std::size_t>(order->Get(at));
    if (axis >= count || level_of[axis] != count) return wrong("orders its axes wrongly");
    level_of[axis] = l;
    levels.push_back(read_level(*stored.dim_metadata()->Get(at)));
  }
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    levels[level_of[axis]].stride = stride;
    std::int64_t block = 1;
    for (std::size_t b = 0; b < blocks; ++b) {
      if (stored.block_map()->Get(static_cast<flatbuffers::uoffset_t>(b)) !=
          static_cast<std::int32_t>(axis))
        continue;
      Level& inner = levels[level_of[shape.size() + b]];
      if (inner.is_sparse || inner.size < 1 || block != 1 || shape[axis] % inner.size != 0)
        return wrong("has blocks that do not fill an axis");
      block = inner.size;
      inner.stride = stride;
      levels[level_of[axis]].stride = stride * block;
    }
    Level& outer = levels[level_of[axis]];
    if (!outer.is_sparse && outer.size != shape[axis] / block)
      return wrong("has axes of other sizes than its shape");
    outer.size = shape[axis] / block;
    stride *= shape[axis];
  }
  if (std::ranges::any_of(levels, [](const Level& level) { return level.stride == 0; }))
    return wrong("has a block of no axis");
  return levels;
}

/// Walks the stored values in their order.
class Unpacker {
 public:
  Unpacker(const std::vector<Level>& levels, std::int64_t stored_count)
      : levels_(levels), stored_count_(stored_count) {}

  /// Calls visit(stored, dense) with the position of each value. parent: among the entries of the
  /// level before; dense: where the entries of this level begin.
  template <typename Visit>
  Result<void> walk(std::size_t l, std::int64_t parent, std::int64_t dense, const Visit& visit) {
    if (l == levels_.size()) {
      if (parent >= stored_count_) return wrong("has more values than its buffer");
      visit(parent, dense);
      return {};
    }
    const Level& level = levels_[l];
    if (!level.is_sparse) {
      for (std::int64_t i = 0; i < level.size; ++i)
        VP_RETURN_IF_ERROR(walk(l + 1, parent * level.size + i, dense + i * level.stride, visit));
      return {};
    }
    if (parent + 1 >= std::ssize(level.segments)) return wrong("has too few segments");
    const std::int64_t begin = level.segments[static_cast<std::size_t>(parent)];
    const std::int64_t end = level.segments[static_cast<std::size_t>(parent) + 1];
    if (begin < 0 || end < begin || end > std::ssize(level.indices))
      return wrong("has segments outside of its indices");
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t index = level.indices[static_cast<std::size_t>(i)];
      if (index < 0 || index >= level.size) return wrong("has an index outside of its axis");
      VP_RETURN_IF_ERROR(walk(l + 1, i, dense + index * level.stride, visit));
    }
    return {};
  }

 private:
  const std::vector<Level>& levels_;
  std::int64_t stored_count_;
};

float read_value(tfl::TensorType type, Bytes payload, std::size_t at) {
  if (type == tfl::TensorType::FLOAT16)
    return half_to_float(load_le<std::uint16_t>(payload, 2 * at));
  if (type == tfl::TensorType::INT8) return static_cast<float>(load_le<std::int8_t>(payload, at));
  return load_le<float>(payload, 4 * at);
}

}  // namespace

Result<std::vector<float>> densify(const tfl::Tensor& tensor, Bytes payload) {
  Shape shape;
  if (tensor.shape() != nullptr) shape.assign(tensor.shape()->begin(), tensor.shape()->end());
  constexpr std::int64_t kLargest = std::int64_t{1} << 26;  // 256 MiB of floats
  const auto count = element_count(shape);
  if (!count || *count < 1 || *count > kLargest || tensor.sparsity() == nullptr)
    return fail(ErrorKind::Malformed, "it is sparse, of shape {}", to_string(shape));
  std::size_t width = 4;
  if (tensor.type() == tfl::TensorType::FLOAT16) width = 2;
  if (tensor.type() == tfl::TensorType::INT8) width = 1;
  if (width == 4 && tensor.type() != tfl::TensorType::FLOAT32) {
    return fail(ErrorKind::Unsupported, "it is sparse, of {}",
                tfl::EnumNameTensorType(tensor.type()));
  }
  VP_ASSIGN_OR_RETURN(const std::vector<Level> levels, read_levels(*tensor.sparsity(), shape));
  std::vector<float> values(static_cast<std::size_t>(*count), 0.0F);
  Unpacker unpacker(levels, static_cast<std::int64_t>(payload.size() / width));
  VP_RETURN_IF_ERROR(unpacker.walk(0, 0, 0, [&](std::int64_t stored, std::int64_t dense) {
    values[static_cast<std::size_t>(dense)] =
        read_value(tensor.type(), payload, static_cast<std::size_t>(stored));
  }));
  return values;
}

}  // namespace visionpress::tflite
