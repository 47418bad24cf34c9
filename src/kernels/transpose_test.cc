#include "kernels/transpose.h"

#include <vector>

#include <gtest/gtest.h>

#include "kernels/isa.h"

namespace visionpress {
namespace {

/// Bytes that differ by position, one byte off any alignment.
std::vector<std::byte> make_matrix(std::size_t elements) {
  std::vector<std::byte> bytes(elements * 4 + 1);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * 37 + i / 251);
  return bytes;
}

TEST(Transpose, TheVectorCodeMovesTheSameBytesAsTheReferenceAtEverySize) {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::Scalar, Isa::Avx2, Isa::Avx3, Isa::Best}) {
    force_isa(isa);
    for (const std::size_t rows : {1U, 2U, 15U, 16U, 17U, 48U, 67U}) {
      for (const std::size_t columns : {1U, 3U, 15U, 16U, 17U, 33U, 64U}) {
        const std::vector<std::byte> matrix = make_matrix(rows * columns);
        const Bytes source = Bytes(matrix).subspan(1);
        std::vector<std::byte> fast(source.size());
        std::vector<std::byte> slow(source.size());
        transpose_columns(source, rows, columns, 0, columns, fast);
        transpose_columns_ref(source, rows, columns, 0, columns, slow);
        EXPECT_EQ(fast, slow) << rows << " x " << columns;
      }
    }
  }
  force_isa(before);
}

TEST(Transpose, ARangeOfColumnsLeavesTheOtherRowsAlone) {
  constexpr std::size_t kRows = 33;
  constexpr std::size_t kColumns = 40;
  const std::vector<std::byte> matrix = make_matrix(kRows * kColumns);
  const Bytes source = Bytes(matrix).subspan(1);
  std::vector<std::byte> parts(source.size());
  transpose_columns(source, kRows, kColumns, 16, 25, parts);
  for (std::size_t i = 0; i < 16 * kRows * 4; ++i) ASSERT_EQ(parts[i], std::byte{0});
  for (std::size_t i = 25 * kRows * 4; i < parts.size(); ++i) ASSERT_EQ(parts[i], std::byte{0});
  transpose_columns(source, kRows, kColumns, 0, 16, parts);
  transpose_columns(source, kRows, kColumns, 25, kColumns, parts);
  std::vector<std::byte> whole(source.size());
  transpose_columns_ref(source, kRows, kColumns, 0, kColumns, whole);
  EXPECT_EQ(parts, whole);
}

}  // namespace
}  // namespace visionpress
