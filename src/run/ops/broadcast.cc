#include "run/ops/broadcast.h"

#include <algorithm>

#include "base/error.h"

namespace visionpress {

Strides broadcast_strides(const Shape& dims, const Shape& out) {
  Strides strides(out.size(), 0);
  const Strides dense = dense_strides(dims);
  const std::size_t missing = out.size() - dims.size();
  for (std::size_t a = 0; a < dims.size(); ++a) strides[missing + a] = dims[a] == 1 ? 0 : dense[a];
  return strides;
}

Result<Shape> broadcast(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t p = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t q = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (p != q && p != 1 && q != 1) {
      return fail(ErrorKind::Malformed, "shapes {} and {} do not combine", to_string(a),
                  to_string(b));
    }
    out[out.size() - 1 - i] = p == 1 ? q : p;  // a size of 0 stays
  }
  return out;
}

}  // namespace visionpress
