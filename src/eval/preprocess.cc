#include "eval/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

constexpr int kScriptSquare = 256;       // the classification scripts' intermediate size
constexpr int kScriptLongerSide = 1600;  // they shrink larger photographs first

bool is_script_classifier(const InputInfo& input) {
  return input.width == input.height && (input.width == 224 || input.width == kSqueezeNetSide);
}

bool is_letterbox(ResizeRule rule) {
  return rule == ResizeRule::Letterbox || rule == ResizeRule::LetterboxTopLeft;
}

void choose_rule(const InputInfo& input, PreprocessUse use, const PreprocessOptions& options,
                 const PackageHint& package, const HeadPixels& head, Preprocess& chosen) {
  chosen.filter = options.filter.value_or(ResizeFilter::Bilinear);
  if (options.rule) {
    chosen.rule = *options.rule;
    chosen.rule_source = "asked for";
  } else if (package.rule && use != PreprocessUse::CropClassifier) {
    chosen.rule = *package.rule;
    chosen.rule_source = package.source;
  } else if (head.rule) {
    chosen.rule = *head.rule;
    chosen.rule_source = head.source;
  } else {
    const bool script = use == PreprocessUse::Classifier && is_script_classifier(input);
    chosen.rule = script ? ResizeRule::CenterCrop256 : ResizeRule::Stretch;
    chosen.rule_source = "default";
  }
  const bool is_plain = chosen.rule == ResizeRule::CenterCrop256 || is_letterbox(chosen.rule);
  chosen.antialias = !is_plain || options.filter.has_value();
}

void choose_color(const InputInfo& input, const PreprocessOptions& options,
                  const PackageHint& package, const HeadPixels& head, Preprocess& chosen) {
  if (input.channels == 1 || input.color_order == ColorOrder::Gray) {
    chosen.color = ColorOrder::Gray;
    chosen.color_source = input.source;
  } else if (options.color) {
    chosen.color = *options.color == ColorChoice::Bgr ? ColorOrder::Bgr : ColorOrder::Rgb;
    chosen.color_source = "asked for";
  } else if (input.color_order) {
    chosen.color = *input.color_order;
    chosen.color_source = input.source;
  } else if (!input.mean.empty() || !input.std.empty()) {
    chosen.color = ColorOrder::Rgb;
    chosen.color_source = "the file gives a normalization";
  } else if (package.color) {
    chosen.color = *package.color;
    chosen.color_source = package.source;
  } else if (head.color) {
    chosen.color = *head.color;
    chosen.color_source = head.source;
  } else if (input.width == kSqueezeNetSide) {
    chosen.color = ColorOrder::Bgr;
    chosen.color_source = "as Custom Vision's export of this kind";
  } else {
    chosen.color = ColorOrder::Rgb;
    chosen.color_source = "default";
    chosen.color_is_guess = true;
  }
}

/// One value a channel, from one or as many.
Result<std::vector<float>> spread(std::vector<float> values, int channels, const char* name) {
  const auto wanted = static_cast<std::size_t>(channels);
  if (values.size() == 1) values.resize(wanted, values.front());
  if (!values.empty() && values.size() != wanted) {
    return fail(ErrorKind::InvalidArgument, "{}: {} values for an input of {} channels", name,
                values.size(), channels);
  }
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return fail(ErrorKind::InvalidArgument, "{}: {} is not a finite number", name, value);
    }
  }
  return values;
}

Result<void> choose_range(const InputInfo& input, const PreprocessOptions& options,
                          const PackageHint& package, const HeadPixels& head, Preprocess& chosen) {
  const int channels = chosen.channels();
  const bool in_file = !input.mean.empty() || !input.std.empty();
  const bool asked_for = !options.mean.empty() || !options.std.empty();
  const std::vector<float>& mean = in_file || asked_for ? input.mean : package.mean;
  const std::vector<float>& std = in_file || asked_for ? input.std : package.std;
  VP_ASSIGN_OR_RETURN(chosen.mean,
                      spread(options.mean.empty() ? mean : options.mean, channels, "mean"));
  VP_ASSIGN_OR_RETURN(chosen.std, spread(options.std.empty() ? std : options.std, channels, "std"));
  if (!in_file && !asked_for && !package.mean.empty()) chosen.range_source = package.source;
  const auto wanted = static_cast<std::size_t>(channels);
  if (chosen.mean.empty() && chosen.std.empty() && head.std != 1.0F)
    chosen.std.assign(wanted, head.std);
  if (chosen.mean.empty() && !chosen.std.empty()) chosen.mean.assign(wanted, 0.0F);
  if (chosen.std.empty() && !chosen.mean.empty()) chosen.std.assign(wanted, 1.0F);
  for (const float value : chosen.std) {
    if (!(value > 0.0F)) {
      return fail(ErrorKind::InvalidArgument, "std: {} is not positive", value);
    }
  }
  return {};
}

constexpr std::array<const char*, 3> kColorNames = {"RGB", "BGR", "grey"};

const char* name_of(ColorOrder color) { return kColorNames[static_cast<std::size_t>(color)]; }

std::string describe_scaling(const std::vector<float>& mean, const std::vector<float>& std) {
  return fmt::format("(pixel - [{}]) / [{}]", fmt::join(mean, ", "), fmt::join(std, ", "));
}

bool changes_pixels(const Preprocess& how) {
  return std::ranges::any_of(how.mean, [](float value) { return value != 0.0F; }) ||
         std::ranges::any_of(how.std, [](float value) { return value != 1.0F; });
}

/// A rectangle of a picture, in its pixels.
struct Part {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

/// The largest centred part with the proportions of width x height.
Part find_center(int image_width, int image_height, int width, int height) {
  const std::int64_t by_width = static_cast<std::int64_t>(image_width) * height / width;
  Part part;
  part.width = image_width;
  part.height = image_height;
  if (by_width <= image_height) {
    part.height = std::max(static_cast<int>(by_width), 1);
  } else {
    part.width =
        std::max(static_cast<int>(static_cast<std::int64_t>(image_height) * width / height), 1);
  }
  // w / 2 - crop / 2, each rounded down: the scripts' crop_center.
  part.x = std::max(image_width / 2 - part.width / 2, 0);
  part.y = std::max(image_height / 2 - part.height / 2, 0);
  return part;
}

ImageView view_part(const ImageView& image, const Part& part) {
  return view_part(image, part.x, part.y, part.width, part.height);
}

/// What is left of a placement when only `part` of its width x height pixels is shown.
Placement place_part(const Placement& whole, const Part& part, int width, int height) {
  return {whole.x + whole.width * part.x / width, whole.y + whole.height * part.y / height,
          whole.width * part.width / width, whole.height * part.height / height};
}

/// The network's input as pixels, and what part of the picture they are.
struct Resized {
  Image image = {};
  Placement placement = {};
};

Image resize_by(const Preprocess& how, const ImageView& image, int width, int height) {
  return how.antialias ? resize_image(image, width, height, how.filter)
                       : resize_plain_bilinear(image, width, height);
}

/// The centred part of the input's size of a picture at least as large, which shows `placement`.
Resized cut_center(const Preprocess& how, const Image& image, const Placement& placement) {
  const Part part = {image.width / 2 - how.width / 2, image.height / 2 - how.height / 2, how.width,
                     how.height};
  const ImageView view = view_part(view_image(image), part);
  Resized cut = {make_image(how.width, how.height),
                 place_part(placement, part, image.width, image.height)};
  for (int y = 0; y < how.height; ++y) std::copy_n(view.row(y), how.width * 3, cut.image.row(y));
  return cut;
}

/// Inputs above 256 cannot be cut out of the script's square; it grows with them.
int find_script_square(const Preprocess& how) {
  return std::max({kScriptSquare, how.width, how.height});
}

Resized resize_as_scripts(const Preprocess& how, ImageView image) {
  Image smaller;
  if (std::max(image.width, image.height) >= kScriptLongerSide) {
    const bool tall = image.height > image.width;
    const std::int64_t longer = kScriptLongerSide;
    const auto width = tall ? longer * image.width / image.height : longer;
    const auto height = tall ? longer : longer * image.height / image.width;
    smaller = resize_by(how, image, static_cast<int>(std::max<std::int64_t>(width, 1)),
                        static_cast<int>(std::max<std::int64_t>(height, 1)));
    image = view_image(smaller);
  }
  const int square = find_script_square(how);
  const Part center = find_center(image.width, image.height, 1, 1);
  return cut_center(how, resize_by(how, view_part(image, center), square, square),
                    place_part({}, center, image.width, image.height));
}

Resized resize_shorter_side(const Preprocess& how, const ImageView& image) {
  const double scale = std::max(static_cast<double>(how.width) / image.width,
                                static_cast<double>(how.height) / image.height);
  const int width = std::max(static_cast<int>(std::lround(image.width * scale)), how.width);
  const int height = std::max(static_cast<int>(std::lround(image.height * scale)), how.height);
  return cut_center(how, resize_by(how, image, width, height), {});
}

Resized resize_center(const Preprocess& how, const ImageView& image) {
  const Part center = find_center(image.width, image.height, how.width, how.height);
  return {resize_by(how, view_part(image, center), how.width, how.height),
          place_part({}, center, image.width, image.height)};
}

/// The picture keeps its proportions; what is left of the input is grey.
Resized resize_letterbox(const Preprocess& how, const ImageView& image) {
  constexpr std::uint8_t kGrey = 114;  // the YOLO families' scripts
  const bool is_centred = how.rule == ResizeRule::Letterbox;
  const double scale = std::min(static_cast<double>(how.width) / image.width,
                                static_cast<double>(how.height) / image.height);
  // Ultralytics rounds, YOLOX cuts off.
  const auto length = [&](int side) {
    const double scaled = side * scale;
    return std::max(static_cast<int>(is_centred ? std::nearbyint(scaled) : std::floor(scaled)), 1);
  };
  const int width = std::min(length(image.width), how.width);
  const int height = std::min(length(image.height), how.height);
  // Half of the rest, half pixels downwards.
  const int left = is_centred ? (how.width - width) / 2 : 0;
  const int top = is_centred ? (how.height - height) / 2 : 0;
  const Image inner = resize_by(how, image, width, height);
  Resized framed = {make_image(how.width, how.height), {}};
  std::ranges::fill(framed.image.rgb, kGrey);
  for (int y = 0; y < height; ++y)
    std::copy_n(inner.row(y), width * 3, framed.image.row(top + y) + std::ptrdiff_t{left} * 3);
  // The input shows more than the picture: it passes the edges on the grey sides. The scripts go
  // back by the scale, not by the rounded sides.
  const double whole_width = image.width * scale;
  const double whole_height = image.height * scale;
  framed.placement = {-left / whole_width, -top / whole_height, how.width / whole_width,
                      how.height / whole_height};
  return framed;
}

Resized resize_by_rule(const Preprocess& how, const ImageView& image) {
  switch (how.rule) {
    case ResizeRule::Stretch:
      break;
    case ResizeRule::CenterCrop:
      return resize_center(how, image);
    case ResizeRule::CenterCrop256:
      return resize_as_scripts(how, image);
    case ResizeRule::ShorterSideCrop:
      return resize_shorter_side(how, image);
    case ResizeRule::Letterbox:
    case ResizeRule::LetterboxTopLeft:
      return resize_letterbox(how, image);
  }
  return {resize_by(how, image, how.width, how.height), {}};
}

std::uint8_t luminance(const std::uint8_t* rgb) {  // ITU-R 601, Pillow's fixed point
  return static_cast<std::uint8_t>((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >>
                                   16);
}

/// value = table[channel][sample]: exact, and cheaper than a division a sample.
using ValueTables = std::array<std::array<float, 256>, 3>;

ValueTables make_tables(const Preprocess& how) {
  ValueTables tables = {};
  for (std::size_t c = 0; c < static_cast<std::size_t>(how.channels()); ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      const auto pixel = static_cast<float>(v);
      tables[c][v] = how.mean.empty() ? pixel : (pixel - how.mean[c]) / how.std[c];
    }
  }
  return tables;
}

const char* name_of_rule(ResizeRule rule) {
  switch (rule) {
    case ResizeRule::Stretch:
      return "stretched";
    case ResizeRule::CenterCrop:
      return "centre crop";
    case ResizeRule::CenterCrop256:
      return "centre square to 256x256, centre crop";
    case ResizeRule::ShorterSideCrop:
      return "shorter side, centre crop";
    case ResizeRule::Letterbox:
      return "letterboxed in grey";
    case ResizeRule::LetterboxTopLeft:
      return "letterboxed in grey, top left,";
  }
  return "";
}

const char* name_of_filter(const Preprocess& how) {
  if (!how.antialias) return "bilinear without antialiasing";
  switch (how.filter) {
    case ResizeFilter::Nearest:
      return "nearest";
    case ResizeFilter::Bilinear:
      return "bilinear";
    case ResizeFilter::Bicubic:
      return "bicubic";
  }
  return "";
}

}  // namespace

Result<Preprocess> choose_preprocess(const InputInfo& input, Layout layout, PreprocessUse use,
                                     const PreprocessOptions& options, const PackageHint& package,
                                     const HeadPixels& head) {
  if (input.channels != 0 && input.channels != 1 && input.channels != 3) {
    return fail(ErrorKind::Unsupported, "input \"{}\" has {} channels, an image has 1 or 3",
                input.name, input.channels);
  }
  if (input.width <= 0 || input.height <= 0) {
    return fail(ErrorKind::Unsupported, "input \"{}\" leaves its size open ({}x{})", input.name,
                input.width, input.height);
  }
  VP_RETURN_IF_ERROR(check_image_size(static_cast<std::uint64_t>(input.width),
                                      static_cast<std::uint64_t>(input.height)));
  Preprocess chosen;
  chosen.width = input.width;
  chosen.height = input.height;
  chosen.layout = layout;
  choose_rule(input, use, options, package, head, chosen);
  choose_color(input, options, package, head, chosen);
  VP_RETURN_IF_ERROR(choose_range(input, options, package, head, chosen));
  return chosen;
}

bool scales_its_input(const Graph& graph) {
  if (graph.inputs.empty()) return false;
  const TensorId input = graph.inputs.front();
  const auto first = std::ranges::find_if(graph.nodes, [&](const Node& node) {
    return std::ranges::find(node.inputs, input) != node.inputs.end();
  });
  if (first == graph.nodes.end()) return false;
  if (std::holds_alternative<BatchNorm>(first->op)) return true;
  const auto* unary = std::get_if<Unary>(&first->op);
  if (unary != nullptr && unary->kind == UnaryKind::Linear) return true;
  const auto* binary = std::get_if<Binary>(&first->op);
  if (binary == nullptr) return false;
  const bool scales = binary->kind == BinaryKind::Add || binary->kind == BinaryKind::Subtract ||
                      binary->kind == BinaryKind::Multiply || binary->kind == BinaryKind::Divide;
  return scales && std::ranges::all_of(first->inputs, [&](TensorId id) {
           return id == input || (id != kNoTensor && graph.tensor(id).is_constant());
         });
}

bool tells_range(const Graph& graph) {
  const InputInfo& info = graph.input_info;
  if (!info.mean.empty() || !info.std.empty() || graph.inputs.empty()) return true;
  // Core ML's image inputs are pixels; what is done to them stands in the file.
  if (graph.format == Format::CoreMl && info.color_order) return true;
  const DType dtype = graph.tensor(graph.inputs.front()).dtype;
  const bool is_float = dtype == DType::Float32 || dtype == DType::Float16;
  return !is_float || scales_its_input(graph);
}

std::vector<std::string> list_overrides(const Graph& graph, const PreprocessOptions& options,
                                        const Preprocess& chosen) {
  const InputInfo& input = graph.input_info;
  std::vector<std::string> warnings;
  const bool has_range = !options.mean.empty() || !options.std.empty();
  if (has_range && (!input.mean.empty() || !input.std.empty())) {
    // What it would be without the options; a file whose own numbers do not fit says nothing.
    Preprocess stated = chosen;
    const bool fits = choose_range(input, {}, {}, {}, stated).has_value();
    if (fits && (stated.mean != chosen.mean || stated.std != chosen.std)) {
      warnings.push_back(fmt::format("--mean and --std replace the file's own scaling, {} ({})",
                                     describe_scaling(stated.mean, stated.std), input.source));
    }
  } else if (has_range && changes_pixels(chosen) && scales_its_input(graph)) {
    warnings.emplace_back("the file scales its pixels itself; --mean and --std do so before it");
  }
  if (options.color && input.color_order && *input.color_order != chosen.color) {
    warnings.push_back(fmt::format("--color gives {}, and the file states {} ({})",
                                   name_of(chosen.color), name_of(*input.color_order),
                                   input.source));
  }
  return warnings;
}

std::string describe(const Preprocess& preprocess) {
  std::string text =
      fmt::format("{} to {}x{}, {} ({}); {} ({}); ", name_of_rule(preprocess.rule),
                  preprocess.width, preprocess.height, name_of_filter(preprocess),
                  preprocess.rule_source, name_of(preprocess.color), preprocess.color_source);
  if (preprocess.mean.empty()) {
    text += preprocess.range_is_guess ? "0..255 (guess)" : "0..255";
  } else {
    text += describe_scaling(preprocess.mean, preprocess.std);
    if (!preprocess.range_source.empty()) text += fmt::format(" ({})", preprocess.range_source);
  }
  if (preprocess.fast_decode) text += "; large JPEGs decoded at reduced size (asked for)";
  return text;
}

ImageSize enough_pixels(const Preprocess& preprocess) {
  if (!preprocess.fast_decode) return {};
  if (preprocess.rule != ResizeRule::CenterCrop256) return {preprocess.width, preprocess.height};
  const int square = find_script_square(preprocess);
  return {square, square};
}

Placement apply_preprocess(const Preprocess& preprocess, const ImageView& image,
                           std::span<float> out) {
  const Resized resized = resize_by_rule(preprocess, image);
  const ValueTables tables = make_tables(preprocess);
  const std::size_t pixels = resized.image.rgb.size() / 3;
  const std::uint8_t* from = resized.image.rgb.data();
  if (preprocess.color == ColorOrder::Gray) {
    for (std::size_t i = 0; i < pixels; ++i) out[i] = tables[0][luminance(from + i * 3)];
    return resized.placement;
  }
  const bool planar = preprocess.layout == Layout::ChannelsFirst;
  const std::size_t pixel_step = planar ? 1 : 3;
  const std::size_t channel_step = planar ? pixels : 1;
  for (std::size_t c = 0; c < 3; ++c) {
    const std::array<float, 256>& table = tables[c];
    const std::uint8_t* channel = from + (preprocess.color == ColorOrder::Bgr ? 2 - c : c);
    float* to = out.data() + c * channel_step;
    for (std::size_t i = 0; i < pixels; ++i) to[i * pixel_step] = table[channel[i * 3]];
  }
  return resized.placement;
}

}  // namespace visionpress
