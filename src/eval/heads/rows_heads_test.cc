// The heads whose outputs have one row for each proposed box.

#include <cmath>

#include <gtest/gtest.h>

#include "eval/heads/head_table.h"

namespace visionpress {
namespace {

constexpr int kSide = 64;
constexpr std::size_t kCells = 64 + 16 + 4;  // strides 8, 16, 32

NetworkOutline outline(const Shape& shape, std::size_t label_count) {
  return {.outputs = {{.name = "output0", .shape = shape, .is_linear = false}},
          .layout = Layout::ChannelsFirst,
          .input_width = kSide,
          .input_height = kSide,
          .label_count = label_count};
}

/// An output of rows, each around its own cell and without a score.
struct Rows {
  std::size_t width = 0;
  bool is_transposed = false;
  std::vector<float> values = {};

  Rows(std::size_t count, std::size_t row_width, bool transposed)
      : width(row_width), is_transposed(transposed), values(count * row_width, 0.0F) {}

  float& at(std::size_t row, std::size_t column) {
    const std::size_t count = values.size() / width;
    return is_transposed ? values[column * count + row] : values[row * width + column];
  }
  [[nodiscard]] OutputView view(const Shape& shape) const {
    OutputView view;
    view.name = "output0";
    view.shape = shape;
    view.values = values;
    return view;
  }
};

Detections decode(const NetworkOutline& network, const Rows& rows, double probability = 0.1) {
  const auto head = recognise_head(network);
  if (!head) {
    ADD_FAILURE() << head.error().message;
    return {};
  }
  const OutputView view = rows.view(network.outputs[0].shape);
  return head->found.decode({&view, 1}, probability);
}

void expect_box(const Detection& box, int tag, double score, double x, double y, double width,
                double height) {
  EXPECT_EQ(box.tag, tag);
  EXPECT_NEAR(box.score, score, 1e-6);
  EXPECT_NEAR(box.x, x, 1e-6);
  EXPECT_NEAR(box.y, y, 1e-6);
  EXPECT_NEAR(box.width, width, 1e-6);
  EXPECT_NEAR(box.height, height, 1e-6);
}

TEST(Yolov8Head, BothOrdersAndBothUnitsGiveTheSameBoxes) {
  for (const bool is_transposed : {true, false}) {
    for (const float unit : {1.0F, 1.0F / kSide}) {
      Rows rows(kCells, 7, is_transposed);
      for (std::size_t i = 0; i < kCells; ++i) rows.at(i, 0) = 60.0F * unit;
      rows.at(70, 0) = 32 * unit;
      rows.at(70, 1) = 16 * unit;
      rows.at(70, 2) = 8 * unit;
      rows.at(70, 3) = 24 * unit;
      rows.at(70, 4 + 1) = 0.75F;
      rows.at(70, 4 + 2) = 0.25F;
      const Shape shape = is_transposed ? Shape{1, 7, kCells} : Shape{1, kCells, 7};
      const Detections found = decode(outline(shape, 3), rows);
      ASSERT_EQ(found.size(), 2U);
      expect_box(found[0], 1, 0.75, 28.0 / 64, 4.0 / 64, 8.0 / 64, 24.0 / 64);
      expect_box(found[1], 2, 0.25, 28.0 / 64, 4.0 / 64, 8.0 / 64, 24.0 / 64);
    }
  }
}

TEST(Yolov5Head, AScoreIsTheClassTimesTheObject) {
  Rows rows(3 * kCells, 7, false);
  rows.at(0, 0) = 60;
  rows.at(200, 0) = 32;
  rows.at(200, 1) = 32;
  rows.at(200, 2) = 64;
  rows.at(200, 3) = 32;
  rows.at(200, 4) = 0.5F;
  rows.at(200, 5 + 1) = 0.5F;
  const Detections found = decode(outline({1, 3 * kCells, 7}, 2), rows);
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], 1, 0.25, 0.0, 0.25, 1.0, 0.5);
}

TEST(YoloxHead, RawBoxesAreRelativeToTheirCells) {
  Rows rows(kCells, 7, false);
  // Row 64 + 5 is the second grid's: 4 columns of stride 16, so column 1 of row 1.
  rows.at(69, 0) = 0.5F;
  rows.at(69, 1) = 0.25F;
  rows.at(69, 2) = std::log(2.0F);
  rows.at(69, 4) = 0.8F;
  rows.at(69, 5) = 0.5F;
  const Detections found = decode(outline({1, kCells, 7}, 2), rows);
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], 0, 0.4, (24.0 - 16) / 64, (20.0 - 8) / 64, 32.0 / 64, 16.0 / 64);
}

TEST(YoloxHead, DecodedBoxesAreInPixels) {
  Rows rows(kCells, 7, false);
  for (std::size_t i = 0; i < kCells; ++i) rows.at(i, 0) = 32;
  rows.at(3, 1) = 20;
  rows.at(3, 2) = 16;
  rows.at(3, 3) = 8;
  rows.at(3, 4) = 1;
  rows.at(3, 6) = 0.5F;
  const Detections found = decode(outline({1, kCells, 7}, 2), rows);
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], 1, 0.5, 24.0 / 64, 16.0 / 64, 16.0 / 64, 8.0 / 64);
}

TEST(RowsHeads, LabelsTellWhichOneItIs) {
  const auto kind = [](const Shape& shape, std::size_t labels) -> const HeadKind* {
    const auto head = recognise_head(outline(shape, labels));
    return head ? head->kind : nullptr;
  };
  EXPECT_EQ(kind({1, 7, kCells}, 3), &yolov8_head);
  EXPECT_EQ(kind({1, kCells, 7}, 3), &yolov8_head);
  EXPECT_EQ(kind({1, kCells, 7}, 2), &yolox_head);
  EXPECT_EQ(kind({1, 3 * kCells, 7}, 2), &yolov5_head);
  EXPECT_EQ(kind({1, 7, kCells}, 4), nullptr);
  EXPECT_EQ(kind({1, kCells, 7}, 0), nullptr);
  EXPECT_EQ(kind({1, 7, kCells + 1}, 3), nullptr);
  EXPECT_EQ(kind({2, 7, kCells}, 3), nullptr);
  EXPECT_EQ(kind({1, 4, kCells}, 0), nullptr);
}

TEST(RowsHeads, BrokenOutputsGiveNoBox) {
  const float nan = std::nanf("");
  for (const Shape& shape : {Shape{1, 7, kCells}, Shape{1, kCells, 7}}) {
    for (const std::size_t labels : {2U, 3U}) {
      const auto head = recognise_head(outline(shape, labels));
      if (!head) continue;
      for (const float broken : {nan, INFINITY, -INFINITY, 1e38F}) {
        Rows rows(kCells, 7, false);
        rows.values.assign(rows.values.size(), broken);
        const OutputView view = rows.view(shape);
        for (const Detection& box : head->found.decode({&view, 1}, 0.1))
          EXPECT_TRUE(std::isfinite(box.x + box.y + box.width + box.height));
        const OutputView shorter = {
            .name = "output0", .shape = shape, .values = view.values.first(10)};
        EXPECT_TRUE(head->found.decode({&shorter, 1}, 0.1).empty());
      }
    }
  }
}

}  // namespace
}  // namespace visionpress
