#include "eval/preprocess.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>

#include <gtest/gtest.h>

#include "eval/heads/head_table.h"
#include "eval/pixel_ways.h"

namespace visionpress {
namespace {

InputInfo make_input(int width, int height) {
  InputInfo input;
  input.name = "data";
  input.width = width;
  input.height = height;
  input.channels = 3;
  return input;
}

TEST(PreprocessTest, ABareDetectorIsStretchedBilinearlyInBgr) {
  const auto chosen = choose_preprocess(make_input(416, 416), Layout::ChannelsLast,
                                        PreprocessUse::Detector, {}, {}, tiny_yolo_v2_head.pixels);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(describe(*chosen),
            "stretched to 416x416, bilinear (default); BGR (as Custom Vision's export of this "
            "kind); 0..255");
}

TEST(PreprocessTest, FastDecodingIsSaidAndKeepsThePixelsThatTheInputNeeds) {
  Preprocess how =
      *choose_preprocess(make_input(96, 96), Layout::ChannelsLast, PreprocessUse::Detector, {});
  EXPECT_EQ(enough_pixels(how).width, 0);
  how.fast_decode = true;
  EXPECT_EQ(describe(how),
            "stretched to 96x96, bilinear (default); RGB (default); 0..255; large JPEGs decoded at "
            "reduced size (asked for)");
  EXPECT_EQ(enough_pixels(how).width, 96);
  EXPECT_EQ(enough_pixels(how).height, 96);
  how.rule = ResizeRule::CenterCrop256;
  EXPECT_EQ(enough_pixels(how).width, 256);
}

TEST(PreprocessTest, TheFilesOwnOrderWinsAndTheCommandLineWinsOverIt) {
  InputInfo input = make_input(227, 227);
  input.color_order = ColorOrder::Rgb;
  input.source = "Core ML image input";
  PreprocessOptions options;
  auto chosen = choose_preprocess(input, Layout::ChannelsFirst, PreprocessUse::Classifier, options);
  EXPECT_EQ(describe(*chosen),
            "centre square to 256x256, centre crop to 227x227, bilinear without antialiasing "
            "(default); RGB (Core ML image input); 0..255");
  options.color = ColorChoice::Bgr;
  options.rule = ResizeRule::Stretch;
  options.filter = ResizeFilter::Bicubic;
  chosen = choose_preprocess(input, Layout::ChannelsFirst, PreprocessUse::Classifier, options);
  EXPECT_EQ(describe(*chosen),
            "stretched to 227x227, bicubic (asked for); BGR (asked for); 0..255");
}

std::vector<std::string> overrides_of(const Graph& graph, const PreprocessOptions& options) {
  const auto chosen =
      choose_preprocess(graph.input_info, Layout::ChannelsLast, PreprocessUse::Classifier, options);
  EXPECT_TRUE(chosen);
  return list_overrides(graph, options, *chosen);
}

TEST(PreprocessTest, OptionsThatContradictTheFileAreSaid) {
  Graph graph;
  graph.input_info = make_input(224, 224);
  graph.input_info.mean = {127.5F};
  graph.input_info.std = {127.5F};
  graph.input_info.color_order = ColorOrder::Rgb;
  graph.input_info.source = "TFLite metadata";
  PreprocessOptions options;
  EXPECT_TRUE(overrides_of(graph, options).empty());
  options.mean = {127.5F};
  options.std = {127.5F, 127.5F, 127.5F};
  options.color = ColorChoice::Rgb;
  EXPECT_TRUE(overrides_of(graph, options).empty());
  options.mean = {0.0F};
  options.color = ColorChoice::Bgr;
  EXPECT_EQ(overrides_of(graph, options),
            (std::vector<std::string>{
                "--mean and --std replace the file's own scaling, (pixel - [127.5, 127.5, 127.5]) "
                "/ [127.5, 127.5, 127.5] (TFLite metadata)",
                "--color gives BGR, and the file states RGB (TFLite metadata)"}));
}

TEST(PreprocessTest, AScalingBeforeTheFilesOwnIsSaid) {
  Graph graph;
  graph.input_info = make_input(224, 224);
  graph.inputs = {0};
  graph.tensors.resize(2);
  graph.nodes.resize(1);
  graph.nodes.front().op = Unary{UnaryKind::Linear, 1.0F / 255.0F, 0.0F};  // Core ML's scale
  graph.nodes.front().inputs = {0};
  graph.nodes.front().outputs = {1};
  PreprocessOptions options;
  options.std = {1.0F};
  EXPECT_TRUE(overrides_of(graph, options).empty());
  options.std = {255.0F};
  EXPECT_EQ(overrides_of(graph, options),
            (std::vector<std::string>{
                "the file scales its pixels itself; --mean and --std do so before it"}));
}

TEST(PreprocessTest, ANormalizationMeansRgb) {
  InputInfo input = make_input(224, 224);
  input.mean = {127.5F};
  input.std = {127.5F};
  const auto chosen =
      choose_preprocess(input, Layout::ChannelsLast, PreprocessUse::CropClassifier, {});
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->color, ColorOrder::Rgb);
  EXPECT_EQ(chosen->rule, ResizeRule::Stretch);
  EXPECT_EQ(chosen->mean, (std::vector<float>{127.5F, 127.5F, 127.5F}));
}

TEST(PreprocessTest, WhatIsNoImageInputIsRefused) {
  InputInfo input = make_input(10, 10);
  input.channels = 7;
  EXPECT_EQ(
      choose_preprocess(input, Layout::ChannelsLast, PreprocessUse::Classifier, {}).error().message,
      "input \"data\" has 7 channels, an image has 1 or 3");
  EXPECT_EQ(
      choose_preprocess(make_input(0, 10), Layout::ChannelsLast, PreprocessUse::Classifier, {})
          .error()
          .kind,
      ErrorKind::Unsupported);
  PreprocessOptions options;
  options.std = {1.0F, 2.0F};
  EXPECT_EQ(
      choose_preprocess(make_input(4, 4), Layout::ChannelsLast, PreprocessUse::Classifier, options)
          .error()
          .message,
      "std: 2 values for an input of 3 channels");
  options.std = {0.0F};
  EXPECT_FALSE(choose_preprocess(make_input(4, 4), Layout::ChannelsLast, PreprocessUse::Classifier,
                                 options));
}

TEST(PreprocessTest, ValuesLieInTheGraphsLayoutAndOrder) {
  Image image = make_image(2, 1);
  image.rgb = {10, 20, 30, 40, 50, 60};
  InputInfo input = make_input(2, 1);
  input.color_order = ColorOrder::Bgr;
  input.mean = {1.0F, 2.0F, 3.0F};
  input.std = {2.0F};
  std::vector<float> out(6);
  auto how = choose_preprocess(input, Layout::ChannelsFirst, PreprocessUse::Detector, {});
  std::ignore = apply_preprocess(*how, view_image(image), out);
  EXPECT_EQ(out, (std::vector<float>{14.5F, 29.5F, 9.0F, 24.0F, 3.5F, 18.5F}));
  how = choose_preprocess(input, Layout::ChannelsLast, PreprocessUse::Detector, {});
  std::ignore = apply_preprocess(*how, view_image(image), out);
  EXPECT_EQ(out, (std::vector<float>{14.5F, 9.0F, 3.5F, 29.5F, 24.0F, 18.5F}));
}

TEST(PreprocessTest, GrayIsTheLuminance) {
  Image image = make_image(1, 1);
  image.rgb = {255, 0, 0};
  InputInfo input = make_input(1, 1);
  input.channels = 1;
  const auto how = choose_preprocess(input, Layout::ChannelsFirst, PreprocessUse::Classifier, {});
  std::vector<float> out(1);
  std::ignore = apply_preprocess(*how, view_image(image), out);
  EXPECT_EQ(out[0], 76.0F);
}

TEST(PreprocessTest, CropsTakeTheMiddle) {
  // Columns 0, 10, .., 90 of 10x4: the centre square is columns 3 to 6.
  Image image = make_image(10, 4);
  for (int y = 0; y < 4; ++y) {
    for (int i = 0; i < 30; ++i) image.row(y)[i] = static_cast<std::uint8_t>(i / 3 * 10);
  }
  PreprocessOptions options;
  std::vector<float> out(48);
  for (const ResizeRule rule : {ResizeRule::CenterCrop, ResizeRule::ShorterSideCrop}) {
    options.rule = rule;
    const auto how = choose_preprocess(make_input(4, 4), Layout::ChannelsFirst,
                                       PreprocessUse::Classifier, options);
    std::ignore = apply_preprocess(*how, view_image(image), out);
    EXPECT_EQ(std::vector<float>(out.begin(), out.begin() + 4),
              (std::vector<float>{30.0F, 40.0F, 50.0F, 60.0F}));
  }
}

/// Red and green tell where in the picture a pixel lies: shares of its width and height, times 255.
Image make_map(int width, int height) {
  Image image = make_image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* p = image.row(y) + std::ptrdiff_t{x} * 3;
      p[0] = static_cast<std::uint8_t>(std::lround((x + 0.5) / width * 255));
      p[1] = static_cast<std::uint8_t>(std::lround((y + 0.5) / height * 255));
    }
  }
  return image;
}

/// The largest difference between where the input's pixels come from and where the placement puts
/// them, in shares. Only pixels whose filters reach no edge of the picture are looked at.
double find_worst_place(const Preprocess& how, const Placement& placement,
                        std::span<const float> input, double margin) {
  double worst = 0.0;
  for (int y = 0; y < how.height; ++y) {
    for (int x = 0; x < how.width; ++x) {
      const double across = placement.x + (x + 0.5) / how.width * placement.width;
      const double down = placement.y + (y + 0.5) / how.height * placement.height;
      if (std::min({across, down, 1 - across, 1 - down}) < margin) continue;
      const auto at = static_cast<std::size_t>((y * how.width + x) * 3);
      worst = std::max(
          {worst, std::abs(input[at] / 255.0 - across), std::abs(input[at + 1] / 255.0 - down)});
    }
  }
  return worst;
}

TEST(PlacementTest, EveryInputPixelLiesWhereThePlacementPutsItUnderEveryRule) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> side(20, 250);
  for (int round = 0; round < 40; ++round) {
    // The second kind is shrunk to 1600 by the scripts' rule.
    const int factor = round % 4 == 3 ? 10 : 1;
    const Image image = make_map(side(random) * factor, side(random));
    InputInfo input = make_input(side(random), side(random));
    input.color_order = ColorOrder::Rgb;
    for (const ResizeRule rule : {ResizeRule::Stretch, ResizeRule::CenterCrop,
                                  ResizeRule::CenterCrop256, ResizeRule::ShorterSideCrop}) {
      for (const ResizeFilter filter : {ResizeFilter::Bilinear, ResizeFilter::Nearest}) {
        PreprocessOptions options;
        options.rule = rule;
        options.filter = filter;
        const auto how =
            choose_preprocess(input, Layout::ChannelsLast, PreprocessUse::Detector, options);
        std::vector<float> out(how->value_count());
        const Placement placement = apply_preprocess(*how, view_image(image), out);
        // Two roundings to 8 bits for each of at most two filters, and nearest takes a pixel up to
        // half a pixel away, of the smallest of the pictures in between.
        const double smallest = std::min({image.width, image.height, how->width, how->height});
        const double tolerance = 3.0 / 255 + 1.0 / smallest;
        EXPECT_LT(find_worst_place(*how, placement, out, 2.0 / smallest), tolerance)
            << image.width << "x" << image.height << " to " << how->width << "x" << how->height
            << ": " << describe(*how);
      }
    }
  }
}

TEST(PlacementTest, ALetterboxShowsMoreThanThePicture) {
  Image image = make_image(100, 50);
  std::ranges::fill(image.rgb, std::uint8_t{200});
  PreprocessOptions options;
  std::vector<float> out(std::size_t{64} * 64 * 3);
  for (const bool is_centred : {true, false}) {
    options.rule = is_centred ? ResizeRule::Letterbox : ResizeRule::LetterboxTopLeft;
    const auto how = choose_preprocess(make_input(64, 64), Layout::ChannelsLast,
                                       PreprocessUse::Detector, options);
    ASSERT_TRUE(how);
    const Placement placement = apply_preprocess(*how, view_image(image), out);
    EXPECT_NEAR(placement.x, 0.0, 1e-12);
    EXPECT_NEAR(placement.width, 1.0, 1e-12);
    EXPECT_NEAR(placement.y, is_centred ? -0.5 : 0.0, 1e-12);
    EXPECT_NEAR(placement.height, 2.0, 1e-12);
    const int top = is_centred ? 16 : 0;
    for (int y = 0; y < 64; ++y) {
      const float value = y >= top && y < top + 32 ? 200.0F : 114.0F;
      EXPECT_EQ(out[static_cast<std::size_t>(y) * 64 * 3], value) << y;
    }
  }
}

TEST(PlacementTest, ABoxGoesBackThroughWhatWasCut) {
  // 600x400 under a centre crop: columns 100 to 500.
  Image image = make_image(600, 400);
  PreprocessOptions options;
  options.rule = ResizeRule::CenterCrop;
  const auto how =
      choose_preprocess(make_input(32, 32), Layout::ChannelsLast, PreprocessUse::Detector, options);
  std::vector<float> out(how->value_count());
  Detections boxes = {{0, 1.0, 0.25, 0.5, 0.5, 0.25}};
  place_in_frame(apply_preprocess(*how, view_image(image), out),
                 {.width = image.width, .height = image.height}, boxes);
  EXPECT_NEAR(boxes[0].x, 200, 1e-9);
  EXPECT_NEAR(boxes[0].y, 200, 1e-9);
  EXPECT_NEAR(boxes[0].width, 200, 1e-9);
  EXPECT_NEAR(boxes[0].height, 100, 1e-9);
}

TEST(PixelWayTest, EveryWayIsSaidAsTheOptionsThatGiveIt) {
  InputInfo input = make_input(8, 8);
  const auto chosen = choose_preprocess(input, Layout::ChannelsLast, PreprocessUse::Classifier, {});
  const std::vector<PixelWay> ways = list_pixel_ways(*chosen);
  ASSERT_EQ(ways.size(), 12U);
  EXPECT_EQ(name_of(ways[4]), "-1..1, RGB");
  EXPECT_EQ(format_options(ways[4]), "--mean 127.5 --std 127.5 --color rgb");
  EXPECT_EQ(format_options(ways[9]),
            "--mean 103.53,116.28,123.675 --std 57.375,57.12,58.395 --color bgr");
  input.mean = {1.0F, 2.0F, 3.0F};
  const auto told = choose_preprocess(input, Layout::ChannelsLast, PreprocessUse::Classifier, {});
  EXPECT_EQ(format_options(list_pixel_ways(*told).front()), "--mean 1,2,3 --std 1 --color rgb");
  input.channels = 1;
  input.mean.clear();
  const auto grey = choose_preprocess(input, Layout::ChannelsLast, PreprocessUse::Classifier, {});
  EXPECT_EQ(format_options(list_pixel_ways(*grey)[1]), "--mean 0 --std 255");
}

TEST(PreprocessTest, TheScriptsRuleWorksOnEverySize) {
  std::vector<float> out(227 * 227 * 3);
  const auto how =
      choose_preprocess(make_input(227, 227), Layout::ChannelsFirst, PreprocessUse::Classifier, {});
  for (const auto& [width, height] :
       std::vector<std::pair<int, int>>{{1, 1}, {3, 500}, {1700, 2}}) {
    Image image = make_image(width, height);
    std::ranges::fill(image.rgb, std::uint8_t{77});
    std::ignore = apply_preprocess(*how, view_image(image), out);
    EXPECT_EQ(out.front(), 77.0F);
    EXPECT_EQ(out.back(), 77.0F);
  }
}

}  // namespace
}  // namespace visionpress
