#include "model/form.h"

#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

Form linear(int bits, Granularity granularity, int block = 0) {
  return {.encoding = Encoding::Linear, .bits = bits, .granularity = granularity, .block = block};
}

TEST(FormTest, EveryNameIsReadBackAsItsForm) {
  std::vector<Form> forms = {Form{}, Form{.encoding = Encoding::Float16, .bits = 16}};
  for (int bits = 1; bits <= 8; ++bits) {
    forms.push_back(linear(bits, Granularity::Channel));
    forms.push_back(linear(bits, Granularity::Tensor));
    forms.push_back(linear(bits, Granularity::Block, 32));
    forms.push_back({.encoding = Encoding::Table, .bits = bits});
  }
  for (const Form& form : forms) {
    const auto parsed = parse_form(name_of(form));
    ASSERT_TRUE(parsed) << name_of(form);
    EXPECT_EQ(*parsed, form) << name_of(form);
  }
}

TEST(FormTest, NamesAreThoseOfTheCommandLine) {
  EXPECT_EQ(name_of({.encoding = Encoding::Float16, .bits = 16}), "fp16");
  EXPECT_EQ(name_of(linear(8, Granularity::Channel)), "linear-8");
  EXPECT_EQ(name_of(linear(8, Granularity::Tensor)), "linear-8-tensor");
  EXPECT_EQ(name_of(linear(4, Granularity::Block, 32)), "linear-4-block-32");
  EXPECT_EQ(name_of({.encoding = Encoding::Table, .bits = 6}), "palette-6");
}

TEST(FormTest, OtherTextIsNotAForm) {
  for (const char* text : {"",
                           "fp",
                           "fp32",
                           "fp16 ",
                           "float16",
                           "linear",
                           "linear-",
                           "linear-0",
                           "linear-9",
                           "linear-08",
                           "linear--8",
                           "linear-+8",
                           "linear-8x",
                           "linear-8-",
                           "linear-8-channel",
                           "linear-tensor",
                           "linear-4-block-",
                           "linear-4-block-0",
                           "linear-4-block-32-tensor",
                           "palette-",
                           "palette-0",
                           "palette-9",
                           "palette-6-tensor",
                           "Linear-8",
                           "linear-99999999999999999999"}) {
    EXPECT_FALSE(parse_form(text)) << '"' << text << '"';
  }
}

TEST(FormTest, BytesAreThoseOfPackedCodesAndWhatGoesWithThem) {
  const Shape kernel = {10, 3, 3, 3};  // 270 elements in 10 rows of 27
  EXPECT_EQ(stored_bytes(kernel, Form{}, 0), 1080U);
  EXPECT_EQ(stored_bytes(kernel, {.encoding = Encoding::Float16, .bits = 16}, 0), 540U);
  Form form = linear(8, Granularity::Channel);
  EXPECT_EQ(stored_bytes(kernel, form, 0), 270U + 10U * 8U);  // scale and offset
  form.is_signed = true;
  EXPECT_EQ(stored_bytes(kernel, form, 0), 270U + 10U * 4U);
  EXPECT_EQ(stored_bytes(kernel, form, 1), 270U + 3U * 4U);
  form = linear(3, Granularity::Tensor);
  EXPECT_EQ(stored_bytes(kernel, form, 0), 102U + 8U);  // 810 bits and six of padding
  form = linear(4, Granularity::Block, 16);
  EXPECT_EQ(stored_bytes(kernel, form, 0), 135U + 20U * 8U);  // two blocks per row of 27
  EXPECT_EQ(stored_bytes(kernel, {.encoding = Encoding::Table, .bits = 6}, 0), 203U + 64U * 4U);
  EXPECT_EQ(stored_bytes({27}, linear(8, Granularity::Channel), 0), 27U + 8U);
}

TEST(FormTest, AShapeWithoutACountOrWithoutTheAxisHasNoBytes) {
  EXPECT_FALSE(stored_bytes({-1, 3}, Form{}, 0));
  EXPECT_FALSE(stored_bytes({std::int64_t{1} << 62, 2}, Form{}, 0));
  EXPECT_FALSE(stored_bytes({2, 3}, linear(8, Granularity::Channel), 2));
  EXPECT_FALSE(stored_bytes({2, 3}, linear(8, Granularity::Channel), -1));
  EXPECT_EQ(stored_bytes({0, 3}, linear(4, Granularity::Block, 32), 0), 0U);
}

TEST(FormTest, TheOutlineHasAsManyNumbersAsTheBytesCount) {
  for (const Shape& shape : {Shape{10, 3, 3, 3}, Shape{1, 7}, Shape{40}, Shape{0, 3}}) {
    for (const char* name : {"float32", "fp16", "linear-8", "linear-5-tensor", "palette-3"}) {
      Form form = *parse_form(name);
      for (const bool is_signed : {false, true}) {
        form.is_signed = is_signed && form.encoding == Encoding::Linear;
        const auto code = outline_code(shape, form, 0);
        ASSERT_TRUE(code) << name;
        EXPECT_EQ(code->bits, form.bits);
        if (shape.size() > 1 && shape[0] != 1) {  // one scale is one scale
          EXPECT_EQ(form_of(*code), form) << name;
        }
        EXPECT_EQ(code->is_signed, form.is_signed);
        const std::size_t numbers = code->scales.size() + code->offsets.size() + code->table.size();
        const auto count = static_cast<std::size_t>(*element_count(shape));
        const std::size_t codes = (count * static_cast<std::size_t>(form.bits) + 7) / 8;
        EXPECT_EQ(stored_bytes(shape, form, 0), codes + 4 * numbers) << name;
      }
    }
  }
  EXPECT_FALSE(outline_code({4, 4}, linear(4, Granularity::Block, 2), 0));
}

TEST(FormTest, AStoredWeightCountsItsPayloadAndItsNumbers) {
  const std::vector<std::byte> payload(12);
  WeightRef weight{.shape = {4, 3}, .payload = payload};
  weight.code = *outline_code(weight.shape, linear(8, Granularity::Channel), 0);
  EXPECT_EQ(stored_bytes(weight), 12U + 32U);
  EXPECT_EQ(describe(weight.code), "linear-8");
  EncodedWeight encoded{.shape = {4, 3}, .code = weight.code, .codes = ByteBuffer(12)};
  encoded.code.bits = 3;
  EXPECT_EQ(stored_bytes(encoded, 3), 5U + 32U);  // packed: 36 bits
  EXPECT_EQ(stored_bytes(encoded, 8), 12U + 32U);
  weight.code.scales.resize(1);
  EXPECT_EQ(describe(weight.code), "linear-8-tensor");
}

}  // namespace
}  // namespace visionpress
