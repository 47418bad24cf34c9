#include "kernels/byte_product.h"

#include <cmath>
#include <limits>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

std::vector<std::uint8_t> make_bytes(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random() & 0xFFU);
  return bytes;
}

std::vector<float> multiply(const ByteProductShape& shape, std::size_t count, ScaleOrder order,
                            bool has_one_code) {
  const std::size_t inner = shape.segments * shape.segment;
  // The largest codes and weights too, whose products overflow 16 bits in pairs.
  std::vector<std::uint8_t> kernel = make_bytes(shape.columns * inner, 1);
  std::vector<std::uint8_t> x = make_bytes(count * inner + 64, 2);
  std::fill_n(kernel.begin(), inner / 2, std::uint8_t{127});
  std::fill_n(x.begin(), inner, std::uint8_t{255});
  std::vector<std::uint8_t> packed(byte_product_packed_size(shape));
  pack_byte_product(shape, kernel, packed);
  std::vector<const std::uint8_t*> rows;
  std::vector<RowCode> codes;
  for (std::size_t r = 0; r < count; ++r) {
    rows.push_back(x.data() + r * inner);
    codes.push_back({static_cast<std::int32_t>(3 * r), 0.01F * static_cast<float>(r + 1),
                     static_cast<std::int32_t>(100 * r)});
  }
  std::vector<std::size_t> offsets;
  for (std::size_t s = 0; s < shape.segments; ++s) offsets.push_back(s * shape.segment);
  std::vector<std::int32_t> sums(shape.columns, 0);
  for (std::size_t i = 0; i < kernel.size(); ++i)
    sums[i / inner] += static_cast<std::int8_t>(kernel[i]);
  std::vector<float> scales = make_random(shape.columns, 3, 0.01F);
  std::vector<float> bias = make_random(shape.columns, 4, 5.0F);
  if (shape.columns > 2) bias[1] = std::numeric_limits<float>::quiet_NaN();
  ByteProduct product = {shape, packed.data(), {}};
  product.how = {.kernel_sums = sums.data(),
                 .kernel_scales = scales.data(),
                 .bias = bias.data(),
                 .order = order,
                 .slope = 0.2F,
                 .low = -300.0F,
                 .high = 400.0F};
  const std::size_t stride = shape.columns + 1;
  std::vector<float> y(count * stride);
  std::vector<std::uint8_t> result(count * stride);
  if (order == ScaleOrder::Codes) {
    for (float& scale : scales) scale = std::fabs(scale) / 100.0F;
  }
  SumsToCodes to_codes;
  to_codes.offsets = sums.data();
  to_codes.scales = scales.data();
  to_codes.zero = 100;
  to_codes.low = 3;
  if (order == ScaleOrder::Codes) product.to_codes = {to_codes, result.data(), stride};
  FloatRows out = {y.data(), stride, 0.0F, 0.0F};
  const std::size_t middle =
      std::min(shape.columns,
               (shape.columns / 2 / byte_product_column_step() + 1) * byte_product_column_step());
  const ByteRows in = {rows.data(), count, offsets.data(), codes.data(), has_one_code};
  multiply_bytes(product, in, {0, middle}, out);
  if (middle < shape.columns) multiply_bytes(product, in, {middle, shape.columns}, out);
  if (order == ScaleOrder::Codes) return {result.begin(), result.end()};
  y.push_back(out.low);
  y.push_back(out.high);
  return y;
}

TEST(ByteProduct, FloatsAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t columns : kOddSizes) {
    for (const ByteProductShape& shape :
         {ByteProductShape{1, 1, columns}, ByteProductShape{1, 37, columns},
          ByteProductShape{3, 9, columns}, ByteProductShape{5, 64, columns}}) {
      for (const std::size_t count : {1U, 2U, 4U, 7U}) {
        expect_the_reference_on_each_isa(
            [&] { return multiply(shape, count, ScaleOrder::InputFused, false); });
      }
    }
  }
}

TEST(ByteProduct, EachOrderOfScalesIsTheReferences) {
  for (const ScaleOrder order :
       {ScaleOrder::InputFused, ScaleOrder::Product, ScaleOrder::KernelThenInput,
        ScaleOrder::ShiftedKernel, ScaleOrder::Codes}) {
    for (const bool has_one_code : {false, true}) {
      expect_the_reference_on_each_isa([&] {
        return multiply({3, 7, 67}, 6, order, has_one_code);
      });
    }
  }
}

TEST(ByteProduct, QuantizedRowsAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t inner : kOddSizes) {
    constexpr std::size_t kCount = 5;
    std::vector<float> x = make_random(kCount * inner, 6, 40.0F);
    std::fill_n(x.begin(), inner, 0.0F);  // a row without a range
    x[2 * inner] = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t i = 0; i < inner; ++i) x[3 * inner + i] = std::fabs(x[3 * inner + i]) + 1.0F;
    expect_the_reference_on_each_isa([&] {
      std::vector<std::uint8_t> codes(kCount * inner + kQuantizeSlack);
      std::vector<RowCode> row_codes(kCount);
      quantize_rows({x.data(), kCount, inner}, codes.data(), row_codes.data());
      std::vector<float> all(codes.begin(),
                             codes.begin() + static_cast<std::ptrdiff_t>(kCount * inner));
      for (const RowCode& code : row_codes) {
        all.push_back(static_cast<float>(code.code_zero));
        all.push_back(code.input_scale);
      }
      return all;
    });
  }
}

TEST(ByteProduct, OneColumnIsTheSumOfItsProducts) {
  const std::vector<float> y = multiply({2, 3, 1}, 1, ScaleOrder::Product, true);
  // Codes of 255, three weights of 127, three random ones; the row's zero is 0, its scale 0.01.
  const std::vector<std::uint8_t> kernel = make_bytes(6, 1);
  std::int32_t sum = 3 * 127 * 255;
  for (std::size_t i = 3; i < 6; ++i) sum += 255 * static_cast<std::int8_t>(kernel[i]);
  const float scale = make_random(1, 3, 0.01F)[0] * 0.01F;
  float right = static_cast<float>(sum) * scale + make_random(1, 4, 5.0F)[0];
  if (right < 0.0F) right *= 0.2F;
  EXPECT_EQ(y[0], right);
}

}  // namespace
}  // namespace visionpress
