#pragma once

/// Types that several commands share.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace visionpress {

enum class Task : std::uint8_t { Detection, Classification };

/// The value of an input other than the image, of a TensorFlow graph or TFLite file, as text:
/// "is_training", "false". A number fills the whole input; "FILE.npy" names an array.
struct InputSetting {
  std::string name = {};
  std::string value = {};
};

/// One of `count` even parts of a list, such as a data set's images: the entries at index - 1 and
/// every count-th after it.
struct Shard {
  std::size_t index = 1;  ///< 1 to count
  std::size_t count = 1;  ///< at most the number of entries
};

/// Which runtime's rounding a run reproduces; every figure names it.
enum class Arithmetic : std::uint8_t {
  Runtime,  ///< the format's default runtime: float32; hybrid int8 TFLite as LiteRT with XNNPACK
  Builtin,  ///< hybrid int8 TFLite as LiteRT's builtin kernels, without a delegate
  Float,    ///< weights decoded, float32 throughout
  Float16,  ///< weights decoded, every activation rounded to half
};

enum class ResizeFilter : std::uint8_t { Nearest, Bilinear, Bicubic };

/// How an image becomes the model's input size.
enum class ResizeRule : std::uint8_t {
  Stretch,           ///< both sides to the input size, aspect ratio not kept
  CenterCrop,        ///< centre square, then resized to the input size
  CenterCrop256,     ///< the 2018-2020 classification scripts: longer side at most 1600, centre
                     ///< square, 256x256, centre crop of the input size
  ShorterSideCrop,   ///< shorter side to the input size, then the centre crop
  Letterbox,         ///< longer side to the input size, in the middle of a grey (114) frame
  LetterboxTopLeft,  ///< the same, in the frame's top-left corner
};

enum class ColorChoice : std::uint8_t { Rgb, Bgr };

/// Everything that is done to an image before the network; printed with every result.
/// Empty fields are chosen from the model's own metadata, then from the kind of export.
struct PreprocessOptions {
  std::optional<ResizeRule> rule = std::nullopt;
  std::optional<ResizeFilter> filter = std::nullopt;
  std::optional<ColorChoice> color = std::nullopt;
  std::vector<float> mean =
      {};  ///< (pixel - mean) / std, one entry or three in the input's colour order
  std::vector<float> std = {};
  /// Width and height of the model's input, where the file leaves them open.
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;
  /// Values of inputs other than the image: {"is_training", "false"}.
  std::vector<InputSetting> settings = {};
};

/// Called as images finish: (done, total, name of the current work). Called from one thread at a
/// time.
using Progress = std::function<void(std::size_t, std::size_t, const std::string&)>;

}  // namespace visionpress
