#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "formats/tflite/tflite_build_testonly.h"
#include "formats/tflite/tflite_extent.h"
#include "formats/tflite/tflite_reader.h"

namespace visionpress {
namespace {

/// The message of the error, or "opens".
std::string outcome(Bytes file) {
  Diagnostics diagnostics;
  const auto model = read_tflite(file, diagnostics);
  return model ? std::string("opens") : model.error().to_string();
}

std::string outcome(const TinyModel& tiny) { return outcome(build_tiny_model(tiny)); }

/// Opens and, where that works, rewrites: nothing may crash.
void try_everything(Bytes file) {
  Diagnostics diagnostics;
  const auto model = read_tflite(file, diagnostics);
  if (!model) {
    EXPECT_FALSE(model.error().message.empty());
    EXPECT_EQ(model.error().message.find('\n'), std::string::npos);
    return;
  }
  (void)(*model)->rewrite({}, {});
}

TEST(TfliteHostile, TheTinyModelItselfOpens) { EXPECT_EQ(outcome(TinyModel{}), "opens"); }

TEST(TfliteHostile, WhatTheFuzzerFoundDoesNotCrash) {
  std::size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(VP_SOURCE_DIR "/fuzz/corpus/tflite_reader_fuzz")) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    // Of the file's very length, so that a read beyond it is seen.
    const auto bytes = std::as_bytes(std::span(text));
    try_everything(std::vector<std::byte>(bytes.begin(), bytes.end()));
    ++count;
  }
  EXPECT_GT(count, 0U);
}

TEST(TfliteHostile, EveryPrefixIsAnErrorOrAWholeModel) {
  const std::vector<std::byte> file = build_tiny_model();
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::vector<std::byte> cut(file.begin(),
                                     file.begin() + static_cast<std::ptrdiff_t>(size));
    try_everything(cut);
    EXPECT_NE(outcome(cut), "opens") << size;
  }
}

TEST(TfliteHostile, EveryPrefixNeedsMoreBytesThanItHas) {
  for (const bool is_outside : {false, true}) {
    TinyModel tiny;
    tiny.kernel_outside = is_outside;
    const std::vector<std::byte> file = build_tiny_model(tiny);
    EXPECT_EQ(find_tflite_bytes(file), std::nullopt);
    // The last bytes may belong to names and quantization, which are not followed.
    constexpr std::size_t kNotFollowed = 256;
    for (std::size_t size = 8; size + kNotFollowed < file.size(); ++size) {
      const auto needed = find_tflite_bytes(Bytes(file).first(size));
      ASSERT_TRUE(needed) << size;
      EXPECT_GT(*needed, size);
      EXPECT_LE(*needed, file.size());
    }
  }
}

TEST(TfliteHostile, NoByteThatChangesMakesItCrash) {
  const std::vector<std::byte> file = build_tiny_model();
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (const unsigned value : {0x00U, 0x01U, 0x7fU, 0x80U, 0xffU}) {
      std::vector<std::byte> bad = file;
      bad[at] = static_cast<std::byte>(value);
      try_everything(bad);
      (void)find_tflite_bytes(bad);
    }
  }
}

TEST(TfliteHostile, NoTwoWordsThatChangeMakeItCrash) {
  const std::vector<std::byte> file = build_tiny_model();
  constexpr unsigned kSeed = 20;  // the same files every time
  std::mt19937 random(kSeed);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> bad = file;
    for (int word = 0; word < 2; ++word) {
      const std::size_t at = random() % (file.size() / 4) * 4;
      const std::uint32_t value =
          random() % 2 == 0 ? random() % 256 : static_cast<std::uint32_t>(random());
      store_le(MutableBytes(bad), at, value);
    }
    try_everything(bad);
  }
}

TEST(TfliteHostile, AnotherMagicIsNamed) {
  TinyModel tiny;
  tiny.identifier = "TFL2";
  EXPECT_EQ(outcome(tiny), "not a TFLite file: bytes 4 to 7 are not the identifier \"TFL3\"");
  EXPECT_EQ(outcome(Bytes{}), "not a TFLite file: bytes 4 to 7 are not the identifier \"TFL3\"");
}

TEST(TfliteHostile, AnotherSchemaVersionIsNamed) {
  TinyModel tiny;
  tiny.version = 2;
  EXPECT_EQ(outcome(tiny), "schema version is 2, only 3 is read");
}

TEST(TfliteHostile, AnOffsetPastTheEndIsDamage) {
  std::vector<std::byte> file = build_tiny_model();
  store_le(MutableBytes(file), 0, std::uint32_t{0x7fffff00});
  EXPECT_EQ(outcome(file),
            "the flatbuffer is damaged: an offset, a length or the nesting is out of range");
}

TEST(TfliteHostile, AShapeThatOverflowsIsNamed) {
  TinyModel tiny;
  tiny.kernel_shape = {2147483647, 2147483647, 2147483647, 2};
  EXPECT_EQ(
      outcome(tiny),
      "subgraphs[0].tensors[1] \"conv/w\": its buffer has 288 bytes, FLOAT32 elements of shape "
      "[2147483647,2147483647,2147483647,2] need more than fit");
}

TEST(TfliteHostile, AWeightThatDoesNotFitItsShapeIsNamed) {
  TinyModel tiny;
  tiny.kernel_bytes = 284;
  EXPECT_EQ(outcome(tiny),
            "subgraphs[0].tensors[1] \"conv/w\": its buffer has 284 bytes, FLOAT32 elements of "
            "shape [4,3,3,2] "
            "need 288");
}

TEST(TfliteHostile, ScalesThatDoNotFitTheShapeAreNamed) {
  TinyModel tiny;
  tiny.kernel_type = tfl::TensorType::INT8;
  tiny.kernel_bytes = 72;
  tiny.kernel_scales = {0.1F, 0.2F, 0.3F};
  EXPECT_EQ(outcome(tiny),
            "subgraphs[0].tensors[1] \"conv/w\": 3 scales along axis 0 of shape [4,3,3,2]");
}

TEST(TfliteHostile, IndicesOutOfRangeAreNamed) {
  TinyModel buffer;
  buffer.kernel_buffer = 9;
  EXPECT_EQ(outcome(buffer), "subgraphs[0].tensors[1] \"conv/w\": buffer 9 of 4");
  TinyModel tensor;
  tensor.conv_inputs = {0, 17, 2};
  EXPECT_EQ(outcome(tensor), "subgraphs[0].operators[0].inputs[1]: tensor 17 of 5");
  TinyModel negative;
  negative.outputs = {-1};
  EXPECT_EQ(outcome(negative), "subgraphs[0].outputs[0]: tensor -1 of 5");
  TinyModel opcode;
  opcode.opcode = 5;
  EXPECT_EQ(outcome(opcode), "subgraphs[0].operators[0]: operator code 5 of 2");
}

TEST(TfliteHostile, ACycleIsNamed) {
  TinyModel tiny;
  tiny.conv_inputs = {4, 1, 2};
  EXPECT_EQ(outcome(tiny),
            "subgraphs[0].operators[0] \"conv\": reads \"y\" before any layer writes it (missing, "
            "or a cycle)");
}

TEST(TfliteHostile, AStrideOfZeroIsNamed) {
  TinyModel tiny;
  tiny.stride = 0;
  EXPECT_EQ(outcome(tiny), "subgraphs[0].operators[0]: CONV_2D has stride 0, expected at least 1");
}

TEST(TfliteHostile, ADamagedArchiveIsNamed) {
  std::vector<std::byte> file = build_tiny_model();
  const std::size_t end = file.size();
  file.resize(end + 22);
  store_le(MutableBytes(file), end, std::uint32_t{0x06054b50});
  store_le(MutableBytes(file), end + 10, std::uint16_t{1});
  store_le(MutableBytes(file), end + 12, std::uint32_t{46});
  store_le(MutableBytes(file), end + 16, std::uint32_t{4000000});
  EXPECT_NE(outcome(file).find("appended archive: a directory of 46 bytes at 4000000 does not fit"),
            std::string::npos);
}

}  // namespace
}  // namespace visionpress
