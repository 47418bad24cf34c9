#include "formats/tflite/tflite_sparsity.h"

#include <functional>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress::tflite {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;
using Dim = flatbuffers::Offset<tfl::DimensionMetadata>;

Dim dense(Builder& b, int size) { return tfl::CreateDimensionMetadata(b, 0, size); }

Dim sparse(Builder& b, const std::vector<int>& segments, const std::vector<int>& indices) {
  const auto list = [&b](const std::vector<int>& values) {
    return tfl::CreateInt32Vector(b, b.CreateVector(values)).Union();
  };
  const auto first = list(segments);
  const auto second = list(indices);
  return tfl::CreateDimensionMetadata(b, 1, 0, tfl::SparseIndexVector::Int32Vector, first,
                                      tfl::SparseIndexVector::Int32Vector, second);
}

struct Stored {
  std::vector<int> shape = {};
  std::vector<int> order = {};
  std::vector<int> blocks = {};
  std::vector<float> values = {};
};

Result<std::vector<float>> run(Builder& b, const Stored& stored, const std::vector<Dim>& dims) {
  const auto sparsity = tfl::CreateSparsityParameters(
      b, b.CreateVector(stored.order), stored.blocks.empty() ? 0 : b.CreateVector(stored.blocks),
      b.CreateVector(dims));
  const auto shape = b.CreateVector(stored.shape);
  tfl::TensorBuilder tensor(b);
  tensor.add_shape(shape);
  tensor.add_sparsity(sparsity);
  b.Finish(tensor.Finish());
  return densify(*flatbuffers::GetRoot<tfl::Tensor>(b.GetBufferPointer()),
                 std::as_bytes(std::span(stored.values)));
}

TEST(TfliteSparsity, ValuesGoToTheColumnsThatTheirRowNames) {
  Builder b;
  const std::vector<Dim> dims = {dense(b, 3), sparse(b, {0, 1, 1, 3}, {2, 0, 3})};
  const auto values = run(b, {{3, 4}, {0, 1}, {}, {5, 6, 7}}, dims);
  ASSERT_TRUE(values.has_value());
  EXPECT_EQ(*values, (std::vector<float>{0, 0, 5, 0, 0, 0, 0, 0, 6, 0, 0, 7}));
}

TEST(TfliteSparsity, BlocksAreStoredWhole) {
  // Blocks of 1x2 in a matrix of 2x4: the second of row 0, the first of row 1.
  Builder b;
  const std::vector<Dim> dims = {dense(b, 2), sparse(b, {0, 1, 2}, {1, 0}), dense(b, 2)};
  const auto values = run(b, {{2, 4}, {0, 1, 2}, {1}, {1, 2, 3, 4}}, dims);
  ASSERT_TRUE(values.has_value());
  EXPECT_EQ(*values, (std::vector<float>{0, 0, 1, 2, 3, 4, 0, 0}));
}

TEST(TfliteSparsity, DescriptionsThatDoNotFitAreErrors) {
  const auto message = [](const Stored& stored,
                          const std::function<std::vector<Dim>(Builder&)>& dims) {
    Builder b;
    const std::vector<Dim> made = dims(b);
    return run(b, stored, made).error().message;
  };
  EXPECT_EQ(message({{2, 2}, {0}, {}, {1}}, [](Builder& b) { return std::vector{dense(b, 2)}; }),
            "its sparsity does not describe each axis");
  EXPECT_EQ(message({{2, 2}, {0, 0}, {}, {1}},
                    [](Builder& b) {
                      return std::vector{dense(b, 2), dense(b, 2)};
                    }),
            "its sparsity orders its axes wrongly");
  EXPECT_EQ(message({{2, 2}, {0, 1}, {}, {1}},
                    [](Builder& b) {
                      return std::vector{dense(b, 2), dense(b, 2)};
                    }),
            "its sparsity has more values than its buffer");
  EXPECT_EQ(message({{2, 2}, {0, 1}, {}, {1}},
                    [](Builder& b) {
                      return std::vector{dense(b, 2), sparse(b, {0, 1, 1}, {2})};
                    }),
            "its sparsity has an index outside of its axis");
  EXPECT_EQ(message({{2, 2}, {0, 1}, {}, {1}},
                    [](Builder& b) {
                      return std::vector{dense(b, 2), sparse(b, {0, 1}, {1})};
                    }),
            "its sparsity has too few segments");
  EXPECT_EQ(message({{2, 3}, {0, 1, 2}, {1}, {1}},
                    [](Builder& b) {
                      return std::vector{dense(b, 2), sparse(b, {0, 1, 1}, {0}), dense(b, 2)};
                    }),
            "its sparsity has blocks that do not fill an axis");
}

}  // namespace
}  // namespace visionpress::tflite
