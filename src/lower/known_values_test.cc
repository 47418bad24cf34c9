#include "lower/known_values.h"

#include <gtest/gtest.h>

#include "base/buffer.h"
#include "base/bytes.h"

namespace visionpress {
namespace {

using Values = std::vector<std::int64_t>;

TEST(KnownValues, IntegersOfTheFileAreReadAndOthersAreNot) {
  ByteBuffer bytes(16);
  store_le<std::int64_t>(MutableBytes(bytes), 0, -1);
  store_le<std::int64_t>(MutableBytes(bytes), 8, (std::int64_t{1} << 24) + 1);
  Tensor tensor;
  tensor.dtype = DType::Int64;
  tensor.shape = {2};
  tensor.constant = bytes;
  EXPECT_EQ(find_integers(tensor, 2), (Values{-1, (1 << 24) + 1}));
  EXPECT_EQ(find_integers(tensor, 1), std::nullopt);
  tensor.dtype = DType::Int32;
  tensor.shape = {4};
  EXPECT_EQ(find_integers(tensor, 4), (Values{-1, -1, (1 << 24) + 1, 0}));
  tensor.dtype = DType::Float32;
  EXPECT_EQ(find_integers(tensor, 4), std::nullopt);
}

TEST(KnownValues, AListOfNoNumbersIsKnownAndAComputedOneIsNot) {
  Tensor tensor;
  tensor.dtype = DType::Int32;
  tensor.shape = {0};
  EXPECT_EQ(find_integers(tensor, 4), Values());
  tensor.shape = {2};
  EXPECT_EQ(find_integers(tensor, 4), std::nullopt);
}

}  // namespace
}  // namespace visionpress
