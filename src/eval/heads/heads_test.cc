#include "eval/heads/heads.h"

#include <cmath>

#include <gtest/gtest.h>

#include "eval/heads/head_table.h"

namespace visionpress {
namespace {

NetworkOutline outline(const Shape& shape, std::size_t label_count, Layout layout, int width,
                       int height, bool is_linear = true) {
  return {.outputs = {{.name = "output", .shape = shape, .is_linear = is_linear}},
          .layout = layout,
          .input_width = width,
          .input_height = height,
          .label_count = label_count};
}

/// Why it is not a detector; empty where it is one.
std::string why_not(const NetworkOutline& network) {
  const auto head = recognise_head(network);
  return head ? "" : head.error().message;
}

TEST(HeadTableTest, EveryRowHasItsNameAndItsFunction) {
  for (const HeadKind* kind : kHeads) {
    EXPECT_FALSE(kind->name.empty());
    EXPECT_NE(kind->recognise, nullptr) << kind->name;
  }
}

TEST(HeadTableTest, TheReferenceDetectorIsRecognisedInEachFormatsShape) {
  for (const auto& [shape, layout] :
       {std::pair{Shape{1, 35, 13, 13}, Layout::ChannelsFirst},     // Core ML
        std::pair{Shape{1, 1, 35, 13, 13}, Layout::ChannelsFirst},  // Core ML, five axes
        std::pair{Shape{1, 13, 13, 35}, Layout::ChannelsLast},      // TensorFlow, TFLite
        std::pair{Shape{1, 35, 13, 13}, Layout::ChannelsLast}}) {   // behind a transpose
    const auto head = recognise_head(outline(shape, 2, layout, 416, 416));
    ASSERT_TRUE(head) << to_string(shape) << ": " << head.error().message;
    EXPECT_EQ(head->kind, &tiny_yolo_v2_head);
    EXPECT_EQ(head->found.class_count, 2U);
  }
}

TEST(HeadTableTest, NoHeadTakesANetworkWithoutOutputs) {
  const NetworkOutline none;
  for (const HeadKind* kind : kHeads) EXPECT_FALSE(kind->recognise(none)) << kind->name;
  EXPECT_NE(why_not(none), "");
}

TEST(HeadTableTest, APictureIsNotADetectorsOutput) {
  // The style network starry_night: 480 rows are 5 * (5 + 91) channels when read in the other
  // layout, and its three channels would be columns.
  const Shape picture = {1, 480, 640, 3};
  for (const std::size_t labels : {0U, 91U}) {
    EXPECT_NE(why_not(outline(picture, labels, Layout::ChannelsLast, 640, 480)), "");
    EXPECT_NE(why_not(outline(picture, labels, Layout::ChannelsFirst, 640, 480)), "");
  }
}

TEST(TinyYoloV2Test, OtherShapesAreRefusedWithTheirReason) {
  const auto planar = [](const Shape& shape, std::size_t labels) {
    return why_not(outline(shape, labels, Layout::ChannelsFirst, 416, 416));
  };
  EXPECT_EQ(planar({1, 1000}, 1000),
            "a Custom Vision detector's grid of boxes: [1,1000] does not have one cell of 5 x (5 + "
            "classes) channels for each 32x32 pixels of the 416x416 input");
  EXPECT_NE(planar({1, 1, 1000}, 0), "");
  EXPECT_NE(planar({2, 35, 13, 13}, 2), "");  // two pictures
  EXPECT_NE(planar({1, 35, -1, 13}, 2), "");
  EXPECT_NE(planar({1, 36, 13, 13}, 2), "");
  EXPECT_NE(planar({1, 25, 13, 13}, 0), "");  // no class
  EXPECT_EQ(planar({1, 35, 13, 13}, 0), "");
  // A classifier's vector, at an input of one cell.
  EXPECT_NE(why_not(outline({1, 1, 30}, 0, Layout::ChannelsFirst, 32, 32)), "");
  NetworkOutline two = outline({1, 35, 13, 13}, 2, Layout::ChannelsFirst, 416, 416);
  two.outputs.push_back(two.outputs.front());
  EXPECT_EQ(why_not(two), "a Custom Vision detector's grid of boxes: 2 outputs, expected 1");
}

TEST(TinyYoloV2Test, AGridHasACellForEach32PixelsOfTheInput) {
  const auto fits = [](int width, int height) {
    return why_not(outline({1, 35, 13, 12}, 2, Layout::ChannelsFirst, width, height)).empty();
  };
  EXPECT_TRUE(fits(384, 416));
  EXPECT_TRUE(fits(383, 416));   // "same" padding rounds up
  EXPECT_TRUE(fits(400, 420));   // "valid" pooling rounds down
  EXPECT_FALSE(fits(416, 384));  // sides exchanged
  EXPECT_FALSE(fits(192, 208));  // 16 pixels for each cell
}

TEST(TinyYoloV2Test, AFeatureMapIsOnlyTakenForBoxesByItsLabels) {
  const auto activated = [](std::size_t labels) {
    return why_not(outline({1, 35, 13, 13}, labels, Layout::ChannelsFirst, 416, 416, false));
  };
  EXPECT_EQ(activated(2), "");
  EXPECT_EQ(activated(3),
            "a Custom Vision detector's grid of boxes: [1,35,13,13] would be boxes of 2 classes, "
            "but there are 3 labels and the output does not come straight from a convolution");
  EXPECT_NE(activated(0).find("there are no labels"), std::string::npos);
  // A label file of another length is the caller's to refuse: the layout shows the detector.
  EXPECT_EQ(why_not(outline({1, 35, 13, 13}, 3, Layout::ChannelsFirst, 416, 416)), "");
}

/// A detector of one class whose grid has two rows and three columns.
struct SmallDetector {
  explicit SmallDetector(Layout order)
      : layout(order),
        shape(layout == Layout::ChannelsFirst ? Shape{1, 30, 2, 3} : Shape{1, 2, 3, 30}),
        values(180, -20.0F),  // no object anywhere
        head(*recognise_head(outline(shape, 1, layout, 96, 64))) {}

  float& at(std::size_t channel, std::size_t row, std::size_t column) {
    return layout == Layout::ChannelsFirst ? values[channel * 6 + row * 3 + column]
                                           : values[(row * 3 + column) * 30 + channel];
  }

  /// Anchor 1 of row 1, column 2.
  void put_box() {
    at(6, 1, 2) = 0.0F;            // tx
    at(7, 1, 2) = 0.0F;            // ty
    at(8, 1, 2) = std::log(0.5F);  // tw
    at(9, 1, 2) = 0.0F;            // th
    at(10, 1, 2) = 1.0F;           // objectness
  }

  [[nodiscard]] std::vector<OutputView> outputs() const {
    return {{.name = "output", .shape = shape, .values = values}};
  }

  Layout layout;
  Shape shape;
  std::vector<float> values;
  Head head;
};

TEST(TinyYoloV2Test, ACellDecodesAsTheFormulaSays) {
  for (const Layout layout : {Layout::ChannelsFirst, Layout::ChannelsLast}) {
    SmallDetector detector(layout);
    detector.put_box();
    const Detections found = detector.head.found.decode(detector.outputs(), 0.005);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].tag, 0);
    EXPECT_NEAR(found[0].score, 1.0 / (1.0 + std::exp(-1.0)), 1e-12);
    EXPECT_NEAR(found[0].width, 0.5 * 1.87 / 3, 1e-7);
    EXPECT_NEAR(found[0].height, 2.06 / 2, 1e-12);
    EXPECT_NEAR(found[0].x, 2.5 / 3 - found[0].width / 2, 1e-12);
    EXPECT_NEAR(found[0].y, 1.5 / 2 - found[0].height / 2, 1e-12);
  }
}

TEST(TinyYoloV2Test, ABrokenOutputGivesNoInfiniteBoxes) {
  SmallDetector detector(Layout::ChannelsFirst);
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    detector.values.assign(180, bad);
    for (const Detection& box : detector.head.found.decode(detector.outputs(), 0.005)) {
      EXPECT_TRUE(std::isfinite(box.x + box.y + box.width + box.height + box.score));
    }
  }
  detector.values.resize(3);
  EXPECT_TRUE(detector.head.found.decode(detector.outputs(), 0.005).empty());
  EXPECT_TRUE(detector.head.found.decode({}, 0.005).empty());
}

/// The box of `put_box` in a picture of 600x400 pixels.
Detection find_box(const Placement& placement) {
  SmallDetector detector(Layout::ChannelsFirst);
  detector.put_box();
  const Detections boxes =
      find_boxes(detector.head, detector.outputs(), placement, {.width = 600, .height = 400}, {});
  return boxes.empty() ? Detection() : boxes.front();
}

TEST(FindBoxesTest, CroppedAndStretchedBoxesDifferByTheCropsScaleAlone) {
  const Detection stretched = find_box({});
  // Columns 100 to 500 of 600.
  const Placement crop = {.x = 1.0 / 6, .y = 0.0, .width = 2.0 / 3, .height = 1.0};
  const Detection cropped = find_box(crop);
  EXPECT_EQ(cropped.score, stretched.score);
  EXPECT_NEAR(cropped.x, 100 + stretched.x * 2 / 3, 1e-9);
  EXPECT_NEAR(cropped.width, stretched.width * 2 / 3, 1e-9);
  EXPECT_EQ(cropped.y, stretched.y);
  EXPECT_EQ(cropped.height, stretched.height);
}

TEST(FindBoxesTest, BoxesAreInTheFramesOwnPixelsAndTurn) {
  SmallDetector detector(Layout::ChannelsFirst);
  detector.put_box();
  const Detection upright = find_box({});
  // EXIF 6 turns the stored 400x600 by a quarter, to the right: its x runs up the upright picture.
  const Detections turned = find_boxes(detector.head, detector.outputs(), {},
                                       {.width = 400, .height = 600, .orientation = 6}, {});
  ASSERT_EQ(turned.size(), 1U);
  EXPECT_NEAR(turned[0].x, upright.y, 1e-9);
  EXPECT_NEAR(turned[0].y, 600 - upright.x - upright.width, 1e-9);
  EXPECT_NEAR(turned[0].width, upright.height, 1e-9);
  EXPECT_NEAR(turned[0].height, upright.width, 1e-9);
}

TEST(FindBoxesTest, WeakAndOverlappingBoxesAreDropped) {
  SmallDetector detector(Layout::ChannelsFirst);
  detector.put_box();
  for (std::size_t channel = 6; channel < 11; ++channel) {
    detector.at(channel, 0, 0) = detector.at(channel, 1, 2);
    detector.at(channel, 1, 1) = detector.at(channel, 1, 2);  // half a cell wide: no overlap
  }
  detector.at(10, 0, 0) = -3.0F;  // logistic: 0.047
  const auto count = [&](const DetectOptions& options) {
    return find_boxes(detector.head, detector.outputs(), {}, {.width = 1, .height = 1}, options)
        .size();
  };
  EXPECT_EQ(count({}), 3U);
  EXPECT_EQ(count({.probability = 0.1}), 2U);
  EXPECT_EQ(count({.max_detections = 1}), 1U);
  detector.at(8, 1, 2) = 3.0F;  // both twenty times as wide
  detector.at(8, 1, 1) = 3.0F;
  EXPECT_EQ(count({.probability = 0.1}), 1U);
}

TEST(NetworkOutlineTest, ASumThatAnActivationFollowsIsNotLinear) {
  Graph graph;
  graph.tensors.resize(5);
  graph.tensors[4].name = "boxes";
  Conv2d conv;
  graph.nodes.push_back({.op = conv, .inputs = {0}, .outputs = {1}});
  graph.nodes.push_back({.op = Reshape(), .inputs = {1}, .outputs = {4}});
  graph.outputs = {4};
  const std::vector<Shape> shapes = {{1, 35, 13, 13}};
  NetworkOutline network = outline_network(graph, shapes, 7);
  ASSERT_EQ(network.outputs.size(), 1U);
  EXPECT_EQ(network.outputs[0].name, "boxes");
  EXPECT_EQ(network.outputs[0].shape, shapes[0]);
  EXPECT_EQ(network.label_count, 7U);
  EXPECT_TRUE(network.outputs[0].is_linear);
  conv.activation = FusedActivation::Relu;
  graph.nodes[0].op = conv;
  EXPECT_FALSE(outline_network(graph, shapes, 7).outputs[0].is_linear);
}

}  // namespace
}  // namespace visionpress
