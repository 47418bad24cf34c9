#include "formats/input_values.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

std::string message_of(const InputSetting& setting, DType dtype, const Shape& shape) {
  const auto loaded = load_input_values(setting, dtype, shape);
  return loaded ? "" : loaded.error().message;
}

TEST(InputValues, ANumberFillsTheWholeInput) {
  const auto loaded = load_input_values({"rate", "0.5"}, DType::Float32, Shape{-1, 2});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->shape, (Shape{1, 2}));
  EXPECT_EQ(loaded->values, (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(message_of({"x", "1"}, DType::Float32, {1, -1}),
            "input \"x\" has the shape [1,-1]: an array gives it, NAME=FILE.npy");
}

TEST(InputValues, TypesHaveTheirOwnValues) {
  EXPECT_EQ(message_of({"flag", "true"}, DType::Bool, {}), "");
  EXPECT_EQ(message_of({"flag", "2"}, DType::Bool, {}),
            "input \"flag\" is bool, which has no value \"2\"; true and false are its values");
  EXPECT_EQ(message_of({"n", "1.5"}, DType::Int32, {}),
            "input \"n\" is int32, which has no value \"1.5\"");
  EXPECT_EQ(message_of({"n", "3000000000"}, DType::Int32, {}),
            "input \"n\" is int32, which has no value \"3000000000\"");
  EXPECT_EQ(message_of({"n", "3000000000"}, DType::Int64, {}), "");
}

TEST(InputValues, AnArrayMustHaveTheInputsShape) {
  const std::string path = testing::TempDir() + "input_values.npy";
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size());
  file += '\0';
  file += header + std::string("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);
  std::ofstream(path, std::ios::binary) << file;
  const auto loaded = load_input_values({"x", path}, DType::Float32, Shape{-1, 2});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->values, (std::vector<double>{1, 2}));
  EXPECT_EQ(message_of({"x", path}, DType::Float32, {3}),
            "input \"x\" has the shape [3], " + path + " has [1,2]");
  EXPECT_EQ(message_of({"x", path + "s.npy"}, DType::Float32, {3}).substr(0, path.size()), path);
}

}  // namespace
}  // namespace visionpress
