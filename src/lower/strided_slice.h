#pragma once

// StridedSlice of TensorFlow and TFLite: a begin, an end and a stride for each axis that is named,
// and masks with one bit per name.

#include <cstdint>
#include <vector>

#include "model/ops.h"
#include "visionpress/result.h"

namespace visionpress {

struct SliceMasks {
  std::int64_t begin = 0;  ///< the begin is open: the first element on the way of the stride
  std::int64_t end = 0;
  std::int64_t ellipsis = 0;  ///< stands for all axes that are not named
  std::int64_t new_axis = 0;
  std::int64_t shrink = 0;  ///< takes one element and drops the axis
};

struct StridedBounds {
  std::vector<std::int64_t> begin = {};
  std::vector<std::int64_t> end = {};
  std::vector<std::int64_t> stride = {};
  SliceMasks masks = {};
};

/// The steps that a strided slice consists of; the first and the last may have nothing to do.
struct StridedPlan {
  Reverse reverse = {};      ///< of the axes that are walked backwards
  Slice slice = {};          ///< of every axis, with strides from 1 on
  ExpandDims new_axes = {};  ///< of the result
};

/// rank: of the tensor that is cut. errors: Malformed for lists of different lengths, more names
/// than axes, several ellipses, a stride of 0.
/// source: tensorflow/core/util/strided_slice_op.cc, BuildDenseSpec.
[[nodiscard]] Result<StridedPlan> plan_strided_slice(const StridedBounds& bounds, std::size_t rank);

}  // namespace visionpress
