#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "formats/coreml/coreml_build_testonly.h"
#include "formats/coreml/coreml_reader.h"
#include "formats/form_answers_testonly.h"

namespace visionpress {
namespace {

using Buffer = ByteBuffer;

std::unique_ptr<SourceModel> read(Bytes file) {
  Diagnostics diagnostics;
  auto model = read_coreml(file, diagnostics);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? std::move(*model) : nullptr;
}

Buffer join(const FilePieces& pieces) {
  Buffer all;
  for (const Bytes piece : pieces.pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

std::vector<std::string> list_shared_models() {
  std::vector<std::string> paths;
  const std::string models = find_shared_folder() + "/models";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(models)) {
    if (entry.path().extension() == ".mlmodel") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::size_t count_of(const Shape& shape) {
  return static_cast<std::size_t>(element_count(shape).value());
}

EncodedWeight float_edit(const Shape& shape) {
  EncodedWeight value{shape, {}, {}};
  std::vector<float> floats(count_of(shape));
  std::iota(floats.begin(), floats.end(), 0.5F);
  const Bytes bytes = view_bytes(std::span<const float>(floats));
  value.codes.assign(bytes.begin(), bytes.end());
  return value;
}

EncodedWeight half_edit(const Shape& shape) {
  EncodedWeight value{shape, {}, {}};
  value.code.encoding = Encoding::Float16;
  value.code.bits = 16;
  value.codes.assign(count_of(shape) * 2, std::byte{0x3c});
  return value;
}

/// Codes 0, 1, 2, ... cut to `bits`.
EncodedWeight code_edit(const Shape& shape, Encoding encoding, int bits) {
  EncodedWeight value{shape, {}, {}};
  value.code.encoding = encoding;
  value.code.bits = bits;
  const std::size_t values = std::size_t{1} << static_cast<unsigned>(bits);
  for (std::size_t i = 0; i < count_of(shape); ++i) {
    value.codes.push_back(static_cast<std::byte>(i % values));
  }
  if (encoding == Encoding::Table) {
    value.code.table.resize(values, 0.25F);
  } else {
    value.code.scales = {0.5F};
    value.code.offsets = {-1.0F};
  }
  return value;
}

Result<Buffer> rewrite_one(const SourceModel& model, std::size_t index,
                           const EncodedWeight& value) {
  const std::vector<WeightEdit> edits = {{index, &value}};
  auto pieces = model.rewrite(edits, {});
  if (!pieces) return tl::unexpected<Error>(pieces.error());
  return join(*pieces);
}

std::string error_of(const Result<Buffer>& result) {
  return result ? "no error" : result.error().message;
}

/// Whether the content of a field can be walked as a message to its end.
bool is_message(Bytes content) {
  ProtobufCursor cursor(content, 0);
  for (;;) {
    const auto more = cursor.next();
    if (!more) return false;
    if (!*more) return true;
  }
}

/// A field by its way from the root, and its content.
using FieldList = std::vector<std::pair<std::string, std::string>>;

/// Lists the leaves of a message: each field that holds no message or whose number is in `leaves`.
void list_leaves(Bytes content, const std::string& path, int depth, FieldList& out) {
  ProtobufCursor cursor(content, 0);
  std::map<std::uint32_t, int> seen;
  for (;;) {
    const auto more = cursor.next();
    ASSERT_TRUE(more);
    if (!*more) return;
    const ProtobufField& field = cursor.field();
    const std::string here =
        path + "/" + std::to_string(field.number) + "#" + std::to_string(seen[field.number]++);
    const bool open = field.type == ProtobufType::Delimited && depth > 0 &&
                      !field.content.empty() && is_message(field.content);
    if (open) {
      list_leaves(field.content, here, depth - 1, out);
    } else if (field.type == ProtobufType::Delimited) {
      out.emplace_back(here, std::string(view_text(field.content)));
    } else {
      out.emplace_back(here, std::to_string(field.value));
    }
  }
}

/// The leaves that one file has and the other has not, by path.
std::vector<std::string> list_differences(Bytes before, Bytes after) {
  constexpr int kDepth = 4;  // Model, network, layer, parameters, WeightParams
  FieldList a;
  FieldList b;
  list_leaves(before, "", kDepth, a);
  list_leaves(after, "", kDepth, b);
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  FieldList difference;
  std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(),
                                std::back_inserter(difference));
  std::vector<std::string> paths;
  for (const auto& [path, content] : difference) {
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  }
  return paths;
}

TEST(CoreMlWriter, GivesTheSameBytesWithoutEdits) {
  VP_SKIP_WITHOUT_SHARED();
  for (const std::string& path : list_shared_models()) {
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file);
    const auto model = read(file->bytes());
    const auto pieces = model->rewrite({}, {});
    ASSERT_TRUE(pieces);
    EXPECT_TRUE(std::ranges::equal(join(*pieces), file->bytes())) << path;
  }
}

TEST(CoreMlWriter, ChangesOneTensorAndTheVersionAloneInEverySharedModel) {
  VP_SKIP_WITHOUT_SHARED();
  for (const std::string& path : list_shared_models()) {
    SCOPED_TRACE(path);
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file);
    const auto model = read(file->bytes());
    const auto& weights = model->graph().weights;
    const auto kernel = std::find_if(weights.begin(), weights.end(), [](const Weight& weight) {
      return weight.role == WeightRole::Kernel;
    });
    ASSERT_NE(kernel, weights.end());
    const auto index = static_cast<std::size_t>(kernel - weights.begin());
    const EncodedWeight value = code_edit(kernel->stored.shape, Encoding::Linear, 7);
    const auto written = rewrite_one(*model, index, value);
    ASSERT_TRUE(written) << written.error().to_string();
    for (const std::string& difference : list_differences(file->bytes(), *written)) {
      const bool in_kernel = difference.find("/90#0/") != std::string::npos;
      EXPECT_TRUE(in_kernel || difference == "/1#0") << difference;
    }
    const auto again = read(*written);
    ASSERT_NE(again, nullptr);
    const Weight& replaced = again->graph().weights[index];
    EXPECT_EQ(replaced.stored.code.encoding, Encoding::Linear);
    EXPECT_EQ(replaced.stored.code.bits, 7);
    EXPECT_EQ(replaced.stored.packing, Packing::MsbFirst);
    EXPECT_EQ(again->graph().nodes.size(), model->graph().nodes.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (i == index) continue;
      EXPECT_TRUE(
          std::ranges::equal(again->graph().weights[i].stored.payload, weights[i].stored.payload));
    }
  }
}

TEST(CoreMlWriter, PacksCodesHighBitFirst) {
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}));
  const auto model = read(file);
  const EncodedWeight value = code_edit({2, 3, 1, 1}, Encoding::Linear, 3);
  const auto written = rewrite_one(*model, 0, value);
  ASSERT_TRUE(written) << written.error().to_string();
  const auto again = read(*written);
  // 000 001 010 011 100 101 and six zero bits
  const std::array<std::byte, 3> expected = {std::byte{0x05}, std::byte{0x39}, std::byte{0x40}};
  EXPECT_TRUE(std::ranges::equal(again->graph().weights[0].stored.payload, expected));
}

TEST(CoreMlWriter, RefersToTheCodesOfWholeBytes) {
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}));
  const auto model = read(file);
  for (const EncodedWeight& value :
       {code_edit({2, 3, 1, 1}, Encoding::Linear, 8), half_edit({2, 3, 1, 1})}) {
    const std::vector<WeightEdit> edits = {{0, &value}};
    const auto pieces = model->rewrite(edits, {});
    ASSERT_TRUE(pieces);
    const auto borrowed = std::ranges::find_if(pieces->pieces, [&](Bytes piece) {
      return piece.data() == value.codes.data() && piece.size() == value.codes.size();
    });
    EXPECT_NE(borrowed, pieces->pieces.end());
  }
}

TEST(CoreMlWriter, ReadsBackEveryFormItWrites) {
  const Message bias = float_weights({1, 2});
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}), &bias);
  const auto model = read(file);
  for (int bits = 1; bits <= 8; ++bits) {
    for (const Encoding encoding : {Encoding::Linear, Encoding::Table}) {
      const EncodedWeight value = code_edit({2, 3, 1, 1}, encoding, bits);
      const auto written = rewrite_one(*model, 0, value);
      ASSERT_TRUE(written) << written.error().to_string();
      const auto again = read(*written);
      const WeightCode& code = again->graph().weights[0].stored.code;
      EXPECT_EQ(code.encoding, encoding);
      EXPECT_EQ(code.bits, bits);
      EXPECT_EQ(code.table, value.code.table);
      EXPECT_EQ(code.scales, value.code.scales);
      EXPECT_EQ(code.offsets, value.code.offsets);
    }
  }
}

TEST(CoreMlWriter, WritesAScaleAChannelWithItsBias) {
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}));
  const auto model = read(file);
  EncodedWeight value = code_edit({2, 3, 1, 1}, Encoding::Linear, 8);
  value.code.scales = {0.5F, 0.25F};
  value.code.offsets = {};
  const auto written = rewrite_one(*model, 0, value);
  ASSERT_TRUE(written) << written.error().to_string();
  const auto again = read(*written);
  EXPECT_EQ(again->graph().weights[0].stored.code.scales, value.code.scales);
  EXPECT_EQ(again->graph().weights[0].stored.code.offsets, (std::vector<float>{0.0F, 0.0F}));
}

TEST(CoreMlWriter, TurnsCodesBackIntoFloatsAndDropsTheirQuantization) {
  const Buffer quantized =
      convolution_file(code_weights({1, 2, 3, 4, 5, 6}, linear_quantization(8, {0.5F}, {0.0F})));
  const auto model = read(quantized);
  const EncodedWeight value = float_edit({2, 3, 1, 1});
  const auto written = rewrite_one(*model, 0, value);
  ASSERT_TRUE(written) << written.error().to_string();
  EXPECT_EQ(*written, convolution_file(float_weights({0.5F, 1.5F, 2.5F, 3.5F, 4.5F, 5.5F})));
}

TEST(CoreMlWriter, KeepsUnknownFieldsOfTheWeight) {
  Message weights = float_weights({1, 2, 3, 4, 5, 6});
  weights.varint(77, 5);
  const Buffer file = convolution_file(weights);
  const auto model = read(file);
  const EncodedWeight value = float_edit({2, 3, 1, 1});
  const auto written = rewrite_one(*model, 0, value);
  ASSERT_TRUE(written);
  Message expected = float_weights({0.5F, 1.5F, 2.5F, 3.5F, 4.5F, 5.5F});
  expected.varint(77, 5);
  EXPECT_EQ(*written, convolution_file(expected));
}

TEST(CoreMlWriter, RaisesTheVersionOnlyWhereTheFormNeedsIt) {
  const auto version_of = [](const Buffer& file) {
    return ProtobufMessage::read_file(file).value().read_uint(1).value();
  };
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}));
  const auto model = read(file);
  EXPECT_EQ(version_of(rewrite_one(*model, 0, float_edit({2, 3, 1, 1})).value()), 1U);
  EXPECT_EQ(version_of(rewrite_one(*model, 0, half_edit({2, 3, 1, 1})).value()), 2U);
  const EncodedWeight codes = code_edit({2, 3, 1, 1}, Encoding::Table, 4);
  EXPECT_EQ(version_of(rewrite_one(*model, 0, codes).value()), 3U);

  Buffer newer = file;
  newer[1] = std::byte{5};
  EXPECT_EQ(version_of(rewrite_one(*read(newer), 0, codes).value()), 5U);

  const Buffer without(file.begin() + 2, file.end());
  const Buffer written = rewrite_one(*read(without), 0, codes).value();
  EXPECT_EQ(version_of(written), 3U);
}

TEST(CoreMlWriter, RefusesHalvesBesideFloatsInOneLayer) {
  const Message bias = float_weights({1, 2});
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}), &bias);
  const auto model = read(file);
  const EncodedWeight half_kernel = half_edit({2, 3, 1, 1});
  const EncodedWeight half_bias = half_edit({2});
  EXPECT_EQ(error_of(rewrite_one(*model, 0, half_kernel)),
            "conv:weights would be float16 beside conv:bias in float32; Core ML takes one of the "
            "two in a layer");
  EXPECT_FALSE(rewrite_one(*model, 1, half_bias));
  const std::vector<WeightEdit> both = {{0, &half_kernel}, {1, &half_bias}};
  EXPECT_TRUE(model->rewrite(both, {}));
}

TEST(CoreMlWriter, TakesCodesBesideEitherFloatingType) {
  const Message bias = float_weights({1, 2});
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}), &bias);
  const auto model = read(file);
  const EncodedWeight kernel = code_edit({2, 3, 1, 1}, Encoding::Linear, 8);
  EXPECT_TRUE(rewrite_one(*model, 0, kernel));
  const EncodedWeight half_bias = half_edit({2});
  const std::vector<WeightEdit> both = {{0, &kernel}, {1, &half_bias}};
  EXPECT_TRUE(model->rewrite(both, {}));
}

TEST(CoreMlWriter, RefusesAScaleAnElementOnAVector) {
  const Message bias = float_weights({1, 2});
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}), &bias);
  EncodedWeight value = code_edit({2}, Encoding::Linear, 8);
  EXPECT_TRUE(rewrite_one(*read(file), 1, value));
  value.code.scales = {1.0F, 2.0F};
  value.code.offsets = {};
  EXPECT_EQ(error_of(rewrite_one(*read(file), 1, value)), "conv:bias: 2 scales, Core ML takes 1");
}

TEST(CoreMlWriter, RefusesEditsThatCoreMlCannotExpress) {
  const Buffer file = convolution_file(float_weights({1, 2, 3, 4, 5, 6}));
  const auto model = read(file);
  const EncodedWeight good = code_edit({2, 3, 1, 1}, Encoding::Linear, 4);

  EncodedWeight bad = good;
  bad.code.is_signed = true;
  EXPECT_FALSE(rewrite_one(*model, 0, bad));
  bad = good;
  bad.code.zero_points = {3};
  EXPECT_FALSE(rewrite_one(*model, 0, bad));
  bad = good;
  bad.code.bits = 9;
  EXPECT_EQ(error_of(rewrite_one(*model, 0, bad)),
            "conv:weights: codes of 9 bits, Core ML takes 1..8");
  bad = good;
  bad.code.scales = {1, 2, 3};
  EXPECT_EQ(error_of(rewrite_one(*model, 0, bad)), "conv:weights: 3 scales, Core ML takes 1 or 2");
  bad = good;
  bad.code.scales = {1, 2};
  bad.code.offsets = {};
  bad.code.axis = 1;
  EXPECT_FALSE(rewrite_one(*model, 0, bad));
  bad = good;
  bad.code.offsets = {1, 2};
  EXPECT_FALSE(rewrite_one(*model, 0, bad));
  bad = good;
  bad.codes.pop_back();
  EXPECT_FALSE(rewrite_one(*model, 0, bad));
  bad = good;
  bad.codes[5] = std::byte{16};
  EXPECT_EQ(error_of(rewrite_one(*model, 0, bad)),
            "conv:weights: code 16 does not fit into 4 bits");
  bad = good;
  bad.shape = {3, 2, 1, 1};
  EXPECT_FALSE(rewrite_one(*model, 0, bad));
  bad = code_edit({2, 3, 1, 1}, Encoding::Table, 4);
  bad.code.table.pop_back();
  EXPECT_EQ(error_of(rewrite_one(*model, 0, bad)),
            "conv:weights: a table of 15 entries, 4 bits need 16");

  const std::vector<WeightEdit> twice = {{0, &good}, {0, &good}};
  EXPECT_EQ(model->rewrite(twice, {}).error().message, "conv:weights is replaced twice");
  EXPECT_FALSE(rewrite_one(*model, 7, good));
}

TEST(CoreMlWriter, TakesWhatItsModelHasNoReasonAgainst) {
  const auto file = MappedFile::open(VP_SOURCE_DIR "/demo/model/model.mlmodel");
  ASSERT_TRUE(file);
  const auto model = read(file->bytes());
  ASSERT_NE(model, nullptr);
  EXPECT_GT(expect_answers_kept(*model, {}), 7 * model->graph().weights.size());
  EXPECT_EQ(answer_to(*model, 0, "linear-4-block-32"),
            "Core ML NeuralNetwork files have no scales per block");
  EXPECT_EQ(answer_to(*model, 0, "palette-3"), "");
  Form form = *parse_form("linear-8");
  EXPECT_FALSE(model->adapt(0, form).is_signed);
  form.is_signed = true;
  EXPECT_EQ(model->why_not(0, form, {}), "Core ML takes unsigned codes with an offset");
  EXPECT_TRUE(model->rules(*parse_form("fp16")).whole_layers);
  EXPECT_FALSE(model->rules(form).whole_layers);
}

TEST(CoreMlWriter, LeavesWeightsThatCanBeTrained) {
  Message weights = float_weights({1, 2, 3, 4, 5, 6});
  weights.varint(50, 1);
  const Buffer file = convolution_file(weights);
  const auto model = read(file);
  EXPECT_NE(model->graph().weights[0].fixed_because, "");
  EXPECT_FALSE(rewrite_one(*model, 0, half_edit({2, 3, 1, 1})));
}

}  // namespace
}  // namespace visionpress
