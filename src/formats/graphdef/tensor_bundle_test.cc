#include "formats/graphdef/tensor_bundle.h"

#include <cstring>

#include "base/error.h"
#include "formats/graphdef/tensor_bundle_build_testonly.h"

namespace visionpress::graphdef {
namespace {

class TensorBundles : public FolderTest {
 protected:
  [[nodiscard]] Result<TensorBundle> open() const {
    VP_ASSIGN_OR_RETURN(const FileSet files, FileSet::open(folder_));
    return TensorBundle::open(files, "variables/variables");
  }
  /// The error of a bundle with this index, without its file.
  [[nodiscard]] std::string error_of(const ByteBuffer& index) const {
    write_bundle(index, {1, 2, 3});
    const auto bundle = open();
    return bundle ? "no error" : bundle.error().message;
  }
};

/// "layer/bias" [1] and "layer/kernel" [1, 2], whose keys share a beginning.
ByteBuffer two_rows() {
  ByteBuffer rows;
  append_row(rows, 0, "", bundle_header());
  append_row(rows, 0, "layer/bias", bundle_entry({1}, 0, {1}).done());
  append_row(rows, 6, "kernel", bundle_entry({1, 2}, 4, {2, 3}).done());
  return rows;
}

TEST_F(TensorBundles, AKeyFindsItsTensor) {
  write_bundle(make_table(two_rows()), {1, 2, 3});
  const auto bundle = open();
  ASSERT_TRUE(bundle) << bundle.error().to_string();
  EXPECT_EQ(bundle->size(), 2U);
  EXPECT_EQ(bundle->find("layer"), nullptr);
  const BundleTensor* kernel = bundle->find("layer/kernel");
  ASSERT_NE(kernel, nullptr);
  EXPECT_EQ(kernel->dtype, DataType::Float);
  EXPECT_EQ(kernel->shape, (Shape{1, 2}));
  ASSERT_EQ(kernel->payload.size(), 8U);
  EXPECT_EQ(load_le<float>(kernel->payload, 0), 2.0F);
  EXPECT_EQ(load_le<float>(kernel->payload, 4), 3.0F);
  EXPECT_TRUE(check_payload(*kernel));
}

TEST_F(TensorBundles, ADamagedPayloadIsTold) {
  write_bundle(make_table(two_rows()), {1, 2, 4});
  const auto bundle = open();
  ASSERT_TRUE(bundle) << bundle.error().to_string();
  EXPECT_TRUE(check_payload(*bundle->find("layer/bias")));
  const auto checked = check_payload(*bundle->find("layer/kernel"));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message, "its bytes differ from their checksum");
}

TEST(TensorBundle, TheChecksumIsAMaskedCrc32c) {
  // 32 zeros: 8a9136aa by RFC 3720 B.4; masked: rotated right by 15 bits, plus a282ead8.
  const std::vector<std::byte> zeros(32);
  BundleTensor tensor;
  tensor.payload = zeros;
  tensor.checksum = 0x6d551522U + 0xa282ead8U;
  EXPECT_TRUE(check_payload(tensor));
}

TEST_F(TensorBundles, EveryDamagedByteOfABlockIsTold) {
  ByteBuffer file;
  append_block(file, two_rows());
  const std::size_t block_size = file.size();
  const ByteBuffer sound = make_table(two_rows());
  for (std::size_t at = 0; at < block_size; ++at) {
    ByteBuffer damaged = sound;
    damaged[at] ^= std::byte{4};
    EXPECT_NE(error_of(damaged), "no error") << at;
  }
}

TEST_F(TensorBundles, ACutIndexIsRefused) {
  const ByteBuffer sound = make_table(two_rows());
  for (std::size_t size = 0; size < sound.size(); ++size) {
    EXPECT_NE(error_of({sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(size)}),
              "no error")
        << size;
  }
}

TEST_F(TensorBundles, CompressedBlocksAreRefusedByName) {
  EXPECT_EQ(error_of(make_table(two_rows(), 1)),
            "a block is compressed (snappy), which is not read");
  EXPECT_EQ(error_of(make_table(two_rows(), 4)),
            "a block is compressed (kind 4), which is not read");
}

TEST_F(TensorBundles, APayloadOutsideItsShardIsRefused) {
  ByteBuffer rows;
  append_row(rows, 0, "", bundle_header());
  append_row(rows, 0, "kernel", bundle_entry({2}, 8, {3, 4}).done());
  EXPECT_EQ(error_of(make_table(rows)), "\"kernel\": 8 bytes at 8 of " +
                                            path("variables/variables.data-00000-of-00001") +
                                            ", which has 12: cut short");
}

TEST_F(TensorBundles, AShardThatIsNotThereIsNamed) {
  write("variables/variables.index", make_table(two_rows()));
  const auto bundle = open();
  ASSERT_FALSE(bundle);
  EXPECT_EQ(bundle.error().kind, ErrorKind::Io);
}

TEST_F(TensorBundles, WithoutAHeaderItIsRefused) {
  ByteBuffer rows;
  append_row(rows, 0, "kernel", bundle_entry({3}, 0, {1, 2, 3}).done());
  EXPECT_EQ(error_of(make_table(rows)), "the table of variables has no header");
}

TEST_F(TensorBundles, BigEndianValuesAreRefused) {
  ByteBuffer rows;
  append_row(rows, 0, "", Message().varint(1, 1).varint(2, 1).done());
  EXPECT_EQ(error_of(make_table(rows)), "written by a big-endian machine, which is not read");
}

TEST_F(TensorBundles, APartitionedVariableIsMarked) {
  ByteBuffer rows;
  append_row(rows, 0, "", bundle_header());
  append_row(rows, 0, "kernel", bundle_entry({3}, 0, {}).message(7, Message()).done());
  write_bundle(make_table(rows), {1, 2, 3});
  const auto bundle = open();
  ASSERT_TRUE(bundle) << bundle.error().to_string();
  EXPECT_TRUE(bundle->find("kernel")->is_in_slices);
}

TEST_F(TensorBundles, KeysOutOfOrderAreRefused) {
  ByteBuffer rows = two_rows();
  append_row(rows, 0, "layer", bundle_entry({1}, 0, {1}).done());
  EXPECT_EQ(error_of(make_table(rows)), "key \"layer\" is not behind \"layer/kernel\"");
}

TEST_F(TensorBundles, AFewBytesNeverBecomeGigabytesOfKeys) {
  ByteBuffer rows;
  append_row(rows, 0, "", bundle_header());
  const std::string prefix(1 << 20, 'k');
  append_row(rows, 0, prefix, bundle_entry({1}, 0, {1}).done());
  for (char last = '!'; last < '~'; ++last) {
    append_row(rows, prefix.size(), {last}, bundle_entry({1}, 0, {1}).done());
  }
  EXPECT_EQ(error_of(make_table(rows)), "its keys have more than 67108864 bytes");
}

}  // namespace
}  // namespace visionpress::graphdef
