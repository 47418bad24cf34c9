#include "kernels/float_product.h"

#include <limits>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> multiply(const FloatProductShape& shape, std::size_t count) {
  const std::vector<float> kernel = make_random(shape.columns * shape.inner, 1, 1.0F);
  const std::size_t step = shape.inner + 3;
  std::vector<float> x = make_random(count * step, 2, 9.0F);
  if (count > 2) x[2 * step] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> bias = make_random(shape.columns, 3, 2.0F);
  std::vector<float> packed(float_product_packed_size(shape));
  pack_float_product(
      shape, [&](std::size_t column, std::size_t i) { return kernel[column * shape.inner + i]; },
      packed);
  const FloatProduct product = {shape, packed.data(), bias.data(), {0.1F, -2.0F, 20.0F}};
  std::vector<float> y(count * shape.columns);
  const std::size_t step_of_columns = 2 * float_product_lanes();
  const std::size_t middle =
      std::min(shape.columns, (shape.columns / 2 / step_of_columns + 1) * step_of_columns);
  multiply_floats(product, {x.data(), step, count}, 0, middle, y.data());
  if (middle < shape.columns)
    multiply_floats(product, {x.data(), step, count}, middle, shape.columns, y.data());
  return y;
}

TEST(FloatProduct, ProductsAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t columns : kOddSizes) {
    for (const std::size_t inner : {1U, 5U, 64U}) {
      for (const std::size_t count : {1U, 2U, 4U, 5U, 6U, 9U, 12U, 19U}) {
        expect_the_reference_on_each_isa([&] { return multiply({inner, columns}, count); });
      }
    }
  }
}

TEST(FloatProduct, EachRowIsMultipliedWithEachColumn) {
  const FloatProductShape shape = {2, 3};
  const std::vector<float> kernel = {1, 2, 3, 4, -5, 6};  // three columns of two
  const std::vector<float> bias = {0, 10, 0};
  const std::vector<float> x = {1, 1, 2, -1};
  std::vector<float> packed(float_product_packed_size(shape));
  pack_float_product(
      shape, [&](std::size_t column, std::size_t i) { return kernel[column * 2 + i]; }, packed);
  std::vector<float> y(6);
  multiply_floats({shape, packed.data(), bias.data(), {1.0F, -kInfinity, kInfinity}},
                  {x.data(), 2, 2}, 0, 3, y.data());
  EXPECT_EQ(y, (std::vector<float>{3, 17, 1, 0, 12, -16}));
}

}  // namespace
}  // namespace visionpress
