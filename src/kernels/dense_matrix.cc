#include "kernels/dense_matrix.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include <dlfcn.h>

#include "base/parallel.h"

namespace visionpress {
namespace {

/// Rows and columns of a tile. Large enough that a tile's product hides its packing, small enough
/// that two threads share the matrices of a small layer.
constexpr std::size_t kTile = 256;

int int_of(std::size_t size) { return static_cast<int>(size); }

std::size_t tiles_of(std::size_t size) { return (size + kTile - 1) / kTile; }

// The values of CBLAS's enumerations, which are the same in every implementation.
// source: cblas.h of the reference implementation (netlib).
constexpr int kRowMajor = 101;
constexpr int kNotTransposed = 111;
constexpr int kTransposed = 112;
constexpr int kUpper = 121;
constexpr int kLower = 122;
constexpr int kNonUnit = 131;
constexpr int kUnit = 132;
constexpr int kLeft = 141;
constexpr int kRight = 142;

/// The functions of BLAS that are used here, of OpenBLAS.
struct Blas {
  void (*sgemm)(int, int, int, int, int, int, float, const float*, int, const float*, int, float,
                float*, int) = nullptr;
  void (*ssyrk)(int, int, int, int, int, float, const float*, int, float, float*, int) = nullptr;
  void (*strsm)(int, int, int, int, int, int, int, float, const float*, int, float*, int) = nullptr;
  void (*ssymm)(int, int, int, int, int, float, const float*, int, const float*, int, float, float*,
                int) = nullptr;
  /// Whether several threads may call it at once: an OpenBLAS built without threads may not.
  bool is_parallel = false;
};

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  void* address = dlsym(library, name);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): dlsym has no type
  function = reinterpret_cast<Function>(address);
  return address != nullptr;
}

Blas load_blas() {
  // OpenBLAS starts threads as it is loaded. They would take signals and memory from programs that
  // never multiply a matrix, so it is loaded when it is needed; and with one thread, because the
  // tiles are what is divided among ours. Its own division would change results with their number.
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  Blas blas;
  void (*set_threads)(int) = nullptr;
  int (*get_parallel)() = nullptr;
  const bool found =
      find(library, "cblas_sgemm", blas.sgemm) && find(library, "cblas_ssyrk", blas.ssyrk) &&
      find(library, "cblas_strsm", blas.strsm) && find(library, "cblas_ssymm", blas.ssymm) &&
      find(library, "openblas_set_num_threads", set_threads) &&
      find(library, "openblas_get_parallel", get_parallel);
  if (!found) return {};
  set_threads(1);
  blas.is_parallel = get_parallel() != 0;
  return blas;
}

const Blas& find_blas() {
  static const Blas loaded = load_blas();
  return loaded;
}

/// For the functions of this file, which callers use only where has_blas is true.
const Blas& blas() {
  const Blas& found = find_blas();
  assert(found.sgemm != nullptr && found.ssyrk != nullptr && found.strsm != nullptr &&
         found.ssymm != nullptr);
  return found;
}

int usable_threads(int threads) { return blas().is_parallel ? threads : 1; }

int order_of(Transposed order) { return order == Transposed::Yes ? kTransposed : kNotTransposed; }

/// Where a tile of the result begins in an operand: its rows, or its columns if transposed.
const float* shift(const MatrixView& operand, bool along_rows, std::size_t begin) {
  return operand.data + (along_rows ? begin * operand.stride : begin);
}

void multiply_tile(const Product& product, const MatrixView& result, std::size_t row,
                   std::size_t column) {
  const std::size_t rows = std::min(kTile, result.rows - row);
  const std::size_t columns = std::min(kTile, result.columns - column);
  const bool a_swapped = product.a_order == Transposed::Yes;
  const bool b_swapped = product.b_order == Transposed::Yes;
  const std::size_t inner = a_swapped ? product.a.rows : product.a.columns;
  blas().sgemm(kRowMajor, order_of(product.a_order), order_of(product.b_order), int_of(rows),
               int_of(columns), int_of(inner), product.factor, shift(product.a, !a_swapped, row),
               int_of(product.a.stride), shift(product.b, b_swapped, column),
               int_of(product.b.stride), product.keep, &result.at(row, column),
               int_of(result.stride));
}

/// Factors one tile of the diagonal in double: it has the small pivots of all columns before it.
/// tile: lower triangle in, its Cholesky factor out.
bool factor_tile(const MatrixView& tile) {
  std::vector<double> values(tile.rows * tile.rows);
  for (std::size_t r = 0; r < tile.rows; ++r) {
    for (std::size_t c = 0; c <= r; ++c) values[r * tile.rows + c] = tile.at(r, c);
  }
  for (std::size_t c = 0; c < tile.rows; ++c) {
    double* own = values.data() + c * tile.rows;
    double pivot = own[c];
    for (std::size_t j = 0; j < c; ++j) pivot -= own[j] * own[j];
    if (!(pivot > 0.0) || !std::isfinite(pivot)) return false;
    own[c] = std::sqrt(pivot);
    for (std::size_t r = c + 1; r < tile.rows; ++r) {
      double* other = values.data() + r * tile.rows;
      double sum = other[c];
      for (std::size_t j = 0; j < c; ++j) sum -= other[j] * own[j];
      other[c] = sum / own[c];
    }
  }
  for (std::size_t r = 0; r < tile.rows; ++r) {
    for (std::size_t c = 0; c <= r; ++c)
      tile.at(r, c) = static_cast<float>(values[r * tile.rows + c]);
  }
  return true;
}

/// One step of the factorization: the columns of tile `step`, and what they take off the rest.
bool factor_step(const MatrixView& matrix, std::size_t step, int threads) {
  const std::size_t size = matrix.rows;
  const std::size_t begin = step * kTile;
  const std::size_t width = std::min(kTile, size - begin);
  const MatrixView diagonal = matrix.block(begin, begin, width, width);
  if (!factor_tile(diagonal)) return false;
  const std::size_t below = begin + width;
  const std::size_t tiles = tiles_of(size - below);
  parallel_for(tiles, threads, [&](std::size_t t) {
    const std::size_t row = below + t * kTile;
    blas().strsm(kRowMajor, kRight, kLower, kTransposed, kNonUnit,
                 int_of(std::min(kTile, size - row)), int_of(width), 1.0F, diagonal.data,
                 int_of(matrix.stride), &matrix.at(row, begin), int_of(matrix.stride));
  });
  // The tiles of the lower triangle, each (r, c) with c <= r.
  parallel_for(tiles * (tiles + 1) / 2, threads, [&](std::size_t i) {
    std::size_t r = 0;
    while ((r + 1) * (r + 2) / 2 <= i) ++r;
    const std::size_t row = below + r * kTile;
    const std::size_t column = below + (i - r * (r + 1) / 2) * kTile;
    const std::size_t rows = std::min(kTile, size - row);
    if (row == column) {
      blas().ssyrk(kRowMajor, kLower, kNotTransposed, int_of(rows), int_of(width), -1.0F,
                   &matrix.at(row, begin), int_of(matrix.stride), 1.0F, &matrix.at(row, row),
                   int_of(matrix.stride));
      return;
    }
    blas().sgemm(kRowMajor, kNotTransposed, kTransposed, int_of(rows), int_of(kTile), int_of(width),
                 -1.0F, &matrix.at(row, begin), int_of(matrix.stride), &matrix.at(column, begin),
                 int_of(matrix.stride), 1.0F, &matrix.at(row, column), int_of(matrix.stride));
  });
  return true;
}

}  // namespace

bool has_blas() { return find_blas().sgemm != nullptr; }

void multiply(const Product& product, const MatrixView& result, int threads) {
  if (result.rows == 0 || result.columns == 0) return;
  const std::size_t across = tiles_of(result.columns);
  parallel_for(tiles_of(result.rows) * across, usable_threads(threads), [&](std::size_t i) {
    multiply_tile(product, result, i / across * kTile, i % across * kTile);
  });
}

void add_gram(const MatrixView& samples, const MatrixView& gram, int threads) {
  if (samples.rows == 0) return;
  const std::size_t tiles = tiles_of(gram.rows);
  const Product product = {samples, Transposed::Yes, samples, Transposed::No, 1.0F, 1.0F};
  parallel_for(tiles * (tiles + 1) / 2, usable_threads(threads), [&](std::size_t i) {
    std::size_t column = 0;
    while ((column + 1) * (column + 2) / 2 <= i) ++column;
    const std::size_t row = i - column * (column + 1) / 2;
    multiply_tile(product, gram, row * kTile, column * kTile);
  });
}

void mirror_upper(const MatrixView& matrix, int threads) {
  const std::size_t tiles = tiles_of(matrix.rows);
  parallel_for(tiles * tiles, threads, [&](std::size_t i) {
    const std::size_t row = i / tiles * kTile;
    const std::size_t column = i % tiles * kTile;
    if (column > row) return;
    for (std::size_t r = row; r < std::min(row + kTile, matrix.rows); ++r) {
      const std::size_t end = std::min(column + kTile, r);
      for (std::size_t c = column; c < end; ++c) matrix.at(r, c) = matrix.at(c, r);
    }
  });
}

bool factor_unit_lower(const MatrixView& matrix, std::span<float> pivots, int threads) {
  const std::size_t size = matrix.rows;
  std::vector<float> diagonal(size);
  for (std::size_t i = 0; i < size; ++i) diagonal[i] = matrix.at(i, i);
  bool is_definite = true;
  for (std::size_t step = 0; step < tiles_of(size) && is_definite; ++step)
    is_definite = factor_step(matrix, step, usable_threads(threads));
  for (std::size_t i = 0; i < size; ++i) {
    const float root = matrix.at(i, i);
    pivots[i] = root * root;
    matrix.at(i, i) = diagonal[i];
    diagonal[i] = 1.0F / root;
  }
  if (!is_definite) return false;
  parallel_for(size, threads, [&](std::size_t r) {
    float* row = matrix.row(r);
    for (std::size_t c = 0; c < r; ++c) row[c] *= diagonal[c];
  });
  return true;
}

void solve_rows(const MatrixView& factored, std::span<const float> pivots, const MatrixView& rows,
                int threads) {
  constexpr std::size_t kRows = 64;
  parallel_for((rows.rows + kRows - 1) / kRows, usable_threads(threads), [&](std::size_t t) {
    const std::size_t begin = t * kRows;
    const std::size_t count = std::min(kRows, rows.rows - begin);
    // x L D L^T = b: first y L^T = b ... from the right, so y = b L^-T, then D, then L.
    blas().strsm(kRowMajor, kRight, kLower, kTransposed, kUnit, int_of(count), int_of(rows.columns),
                 1.0F, factored.data, int_of(factored.stride), rows.row(begin),
                 int_of(rows.stride));
    for (std::size_t r = begin; r < begin + count; ++r) {
      for (std::size_t c = 0; c < rows.columns; ++c) rows.at(r, c) /= pivots[c];
    }
    blas().strsm(kRowMajor, kRight, kLower, kNotTransposed, kUnit, int_of(count),
                 int_of(rows.columns), 1.0F, factored.data, int_of(factored.stride),
                 rows.row(begin), int_of(rows.stride));
  });
}

void multiply_symmetric(const MatrixView& rows, const MatrixView& matrix, const MatrixView& result,
                        int threads) {
  constexpr std::size_t kRows = 64;
  parallel_for((rows.rows + kRows - 1) / kRows, usable_threads(threads), [&](std::size_t t) {
    const std::size_t begin = t * kRows;
    blas().ssymm(kRowMajor, kRight, kUpper, int_of(std::min(kRows, rows.rows - begin)),
                 int_of(rows.columns), 1.0F, matrix.data, int_of(matrix.stride), rows.row(begin),
                 int_of(rows.stride), 0.0F, result.row(begin), int_of(result.stride));
  });
}

void multiply_symmetric_left(const MatrixView& matrix, const MatrixView& columns,
                             const MatrixView& result) {
  blas().ssymm(kRowMajor, kLeft, kUpper, int_of(matrix.rows), int_of(columns.columns), 1.0F,
               matrix.data, int_of(matrix.stride), columns.data, int_of(columns.stride), 0.0F,
               result.data, int_of(result.stride));
}

}  // namespace visionpress
