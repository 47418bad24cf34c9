#include "wire/npy_array.h"

#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

std::string npy(const std::string& header, const std::string& payload) {
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8U);
  return file + header + payload;
}

Result<NpyArray> read(const std::string& file) { return read_npy(std::as_bytes(std::span(file))); }

TEST(NpyArray, AMatrixOfBytesIsReadByRows) {
  const auto array = read(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }",
                              std::string("\x01\x02\x03\x04\x05\xff", 6)));
  ASSERT_TRUE(array.has_value());
  EXPECT_EQ(array->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(array->values, (std::vector<double>{1, 2, 3, 4, 5, 255}));
}

TEST(NpyArray, OneValueHasNoAxes) {
  const auto array = read(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (), }",
                              std::string("\xfe\xff\xff\xff\xff\xff\xff\xff", 8)));
  ASSERT_TRUE(array.has_value());
  EXPECT_TRUE(array->shape.empty());
  EXPECT_EQ(array->values, std::vector<double>{-2});
}

TEST(NpyArray, OtherFilesAndOrdersAreRefused) {
  EXPECT_EQ(read("PK\x03\x04 an archive").error().message, "not a NumPy array (.npy)");
  EXPECT_EQ(
      read(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", "abcd")).error().message,
      "the array is in column-major (Fortran) order");
  EXPECT_EQ(read(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000,), }", "abcd"))
                .error()
                .message,
            "the array has 4 bytes, too few for its shape");
  EXPECT_EQ(read(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "abcd"))
                .error()
                .message,
            "the array has 4 bytes, its 2 elements need 8");
  EXPECT_EQ(read(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (), }", "abcdefgh"))
                .error()
                .message,
            "the array's elements are '<c8'");
}

}  // namespace
}  // namespace visionpress
