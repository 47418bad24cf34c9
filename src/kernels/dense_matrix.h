#pragma once

// Products and factorizations of large float matrices, on OpenBLAS. A matrix is divided into
// tiles of a fixed size, one call per tile, so that results do not depend on the number of threads.
//
//   MatrixView gram = {values.data(), k, k, k};
//   add_gram(samples, gram, threads);
//   if (!factor_unit_lower(gram, pivots, threads)) ...  // not positive definite

#include <cstddef>
#include <span>

namespace visionpress {

/// Whether the machine has OpenBLAS (libopenblas.so.0). It is loaded at the first call. The
/// functions below need it.
[[nodiscard]] bool has_blas();

/// A row-major matrix in borrowed memory; element (r, c) is at data[r * stride + c].
struct MatrixView {
  float* data = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t stride = 0;  ///< elements from row to row

  [[nodiscard]] float* row(std::size_t r) const { return data + r * stride; }
  [[nodiscard]] float& at(std::size_t r, std::size_t c) const { return data[r * stride + c]; }
  /// The part from (r, c) on.
  [[nodiscard]] MatrixView block(std::size_t r, std::size_t c, std::size_t row_count,
                                 std::size_t column_count) const {
    return {data + r * stride + c, row_count, column_count, stride};
  }
};

enum class Transposed : bool { No, Yes };

/// result = factor * a * b + keep * result.
/// a: [rows, inner], b: [inner, columns], each in its given or its transposed order.
struct Product {
  MatrixView a = {};
  Transposed a_order = Transposed::No;
  MatrixView b = {};
  Transposed b_order = Transposed::No;
  float factor = 1.0F;
  float keep = 0.0F;
};
void multiply(const Product& product, const MatrixView& result, int threads);

/// Adds samples^T * samples to the upper triangle of `gram` (with its diagonal).
/// samples: [n, k].  gram: [k, k]; its lower triangle below the tiles of the diagonal is not
/// touched, within them it is not defined.
void add_gram(const MatrixView& samples, const MatrixView& gram, int threads);

/// Copies the upper triangle to the lower one.
void mirror_upper(const MatrixView& matrix, int threads);

/// Factors a symmetric matrix as L * D * L^T: L, of unit diagonal, goes strictly below the
/// diagonal, D to `pivots`. The diagonal and the upper triangle keep the matrix. matrix: [k, k],
/// symmetric, both triangles.  pivots: k. returns: false where the matrix is not positive definite;
/// the lower triangle is then undefined.
[[nodiscard]] bool factor_unit_lower(const MatrixView& matrix, std::span<float> pivots,
                                     int threads);

/// Solves x * (L * D * L^T) = rows in place, for each row.
/// factored: as factor_unit_lower left it.
void solve_rows(const MatrixView& factored, std::span<const float> pivots, const MatrixView& rows,
                int threads);

/// result = rows * S for the symmetric S in the upper triangle and the diagonal of `matrix`.
void multiply_symmetric(const MatrixView& rows, const MatrixView& matrix, const MatrixView& result,
                        int threads);

/// result = S * columns for that S, on the calling thread.
void multiply_symmetric_left(const MatrixView& matrix, const MatrixView& columns,
                             const MatrixView& result);

}  // namespace visionpress
