#pragma once

// What is done to a picture before the network: chosen once for a model, applied to every image.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/box_frame.h"
#include "eval/image.h"
#include "eval/resize_image.h"
#include "model/graph.h"
#include "model/input_info.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Input width of Custom Vision's classifiers from 2018 to 2020; no other network has it.
inline constexpr int kSqueezeNetSide = 227;

/// What the model does, as far as the right preprocessing depends on it.
enum class PreprocessUse : std::uint8_t {
  Detector,        ///< a detection head was recognised
  Classifier,      ///< whole images
  CropClassifier,  ///< boxes of a detection data set
};

struct Preprocess {
  ResizeRule rule = ResizeRule::Stretch;
  ResizeFilter filter = ResizeFilter::Bilinear;
  bool antialias = true;  ///< false: resize_plain_bilinear, whatever `filter` says
  ColorOrder color = ColorOrder::Rgb;
  int width = 0;  ///< of the model's input
  int height = 0;
  Layout layout = Layout::ChannelsFirst;
  std::vector<float> mean =
      {};  ///< (pixel - mean) / std; one a channel, in `color` order, or empty
  std::vector<float> std = {};
  std::string rule_source =
      {};  ///< who said so: "asked for", "Core ML image input", "kind of export"
  std::string color_source = {};
  std::string range_source =
      {};                       ///< of mean and std, where neither the file nor an option has them
  bool color_is_guess = false;  ///< neither the file nor an option says it
  /// Pixels are given as 0..255 since neither the file nor an option nor the kind of export says
  /// otherwise.
  bool range_is_guess = false;
  bool fast_decode = false;  ///< JPEGs are decoded at reduced size; see enough_pixels

  [[nodiscard]] int channels() const { return color == ColorOrder::Gray ? 1 : 3; }
  [[nodiscard]] std::size_t value_count() const {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
           static_cast<std::size_t>(channels());
  }
};

/// What the package around a model says about its kind, for what the model's own file leaves open.
struct PackageHint {
  std::optional<ResizeRule> rule = std::nullopt;
  std::optional<ColorOrder> color = std::nullopt;
  std::vector<float> mean = {};  ///< (pixel - mean) / std; empty: pixels stay as they are
  std::vector<float> std = {};
  std::string source = {};  ///< "Custom Vision classification, exporter 2.1"
};

/// What networks with a detection head take, where neither the file nor a package says it.
struct HeadPixels {
  std::optional<ColorOrder> color = std::nullopt;
  std::optional<ResizeRule> rule = std::nullopt;  ///< without antialiasing, as cv2.resize
  float std = 1.0F;                               ///< pixels are divided by it
  const char* source = "";                        ///< who said so, as in Preprocess::color_source
};

/// Of pixels whose scaling is a guess: what else may be right, and how to find out.
inline constexpr const char* kRangeGuess =
    "nothing says how pixels are scaled, so 0..255 is a guess; evaluate --find-preprocessing tries "
    "others (-1..1: --mean 127.5 --std 127.5; 0..1: --mean 0 --std 255)";

/// Chooses from the options, then from what the file says, then from the package it came in, then
/// from its detection head, then from the kind of export:
/// detectors are stretched bilinearly. Classifiers 224 or 227 wide get CenterCrop256, others are
/// stretched; BGR when 227 wide. A file that gives a normalization (TFLite metadata) and no order
/// means RGB. Crops are stretched.
/// errors: Unsupported for inputs that are no image of 1 or 3 channels or leave their size open,
/// InvalidArgument for a mean or std of the wrong length, or a std that is not positive.
/// source: the Python scripts inside Custom Vision's export packages, 2018 to 2024.
[[nodiscard]] Result<Preprocess> choose_preprocess(const InputInfo& input, Layout layout,
                                                   PreprocessUse use,
                                                   const PreprocessOptions& options,
                                                   const PackageHint& package = {},
                                                   const HeadPixels& head = {});

/// Whether a network's first step adds to its input or scales it by constants: it then takes pixels
/// as they are.
[[nodiscard]] bool scales_its_input(const Graph& graph);

/// Whether the file tells how pixels are scaled: by numbers, by taking images or bytes as its
/// input, or since the network scales them itself.
[[nodiscard]] bool tells_range(const Graph& graph);

/// Says where options contradict what the file itself states of its pixels: another scaling or
/// colour order than it asks for, or a scaling before the one that it does.
[[nodiscard]] std::vector<std::string> list_overrides(const Graph& graph,
                                                      const PreprocessOptions& options,
                                                      const Preprocess& chosen);

/// The pixels of each side from which the input can be made without enlarging, for load_image; none
/// where pictures are decoded at their size.
[[nodiscard]] ImageSize enough_pixels(const Preprocess& preprocess);

/// One line: "stretched to 416x416, bilinear; BGR (Core ML image input); 0..255".
[[nodiscard]] std::string describe(const Preprocess& preprocess);

/// The picture as the network's input. out: preprocess.value_count() values in its layout (batch
/// 1). returns: what part of the picture they show, exact but for the pixels that filters blend.
[[nodiscard]] Placement apply_preprocess(const Preprocess& preprocess, const ImageView& image,
                                         std::span<float> out);

}  // namespace visionpress
