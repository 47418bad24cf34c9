#pragma once

// The ways in which networks are usually given pixels, to be tried where nothing says which is
// right.

#include <string>
#include <vector>

#include "eval/preprocess.h"

namespace visionpress {

struct PixelWay {
  std::string range = {};  ///< "-1..1", "ImageNet mean and deviation"
  ColorOrder color = ColorOrder::Rgb;
  std::vector<float> mean = {};  ///< (pixel - mean) / std: one for each channel, in `color` order
  std::vector<float> std = {};
};

/// What the file itself says, where it does, then each range in RGB and in BGR; only grey for an
/// input of one channel.
/// source: Keras' applications ("tf", "torch" and "caffe" preprocessing), PyTorch's torchvision,
/// TensorFlow's slim and TFLite Model Maker (127.5), EfficientNet-Lite (127, 128), YOLO (0..1).
[[nodiscard]] std::vector<PixelWay> list_pixel_ways(const Preprocess& preprocess);

/// "-1..1, RGB"
[[nodiscard]] std::string name_of(const PixelWay& way);

/// As command-line options: "--mean 127.5 --std 127.5 --color rgb". No --color for grey.
[[nodiscard]] std::string format_options(const PixelWay& way);

/// The same preprocessing with another way.
[[nodiscard]] Preprocess with_way(Preprocess preprocess, const PixelWay& way);

}  // namespace visionpress
