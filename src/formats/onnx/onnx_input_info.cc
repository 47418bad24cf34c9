#include "formats/onnx/onnx_input_info.h"

#include <array>
#include <string_view>
#include <utility>

#include "model/label_text.h"

namespace visionpress::onnx {
namespace {

std::string find_text(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

/// source: docs of Windows ML, "Image.BitmapPixelFormat"; onnx/onnx docs/MetadataProps.md.
std::optional<ColorOrder> parse_pixel_format(std::string_view text) {
  if (text.starts_with("Bgr")) return ColorOrder::Bgr;
  if (text.starts_with("Rgb")) return ColorOrder::Rgb;
  if (text.starts_with("Gray")) return ColorOrder::Gray;
  return std::nullopt;
}

/// The converters of Core ML and Custom Vision files describe their input in a sentence.
std::optional<ColorOrder> find_in_description(std::string_view text) {
  if (text.find("BGR format") != std::string_view::npos) return ColorOrder::Bgr;
  if (text.find("RGB format") != std::string_view::npos) return ColorOrder::Rgb;
  return std::nullopt;
}

/// Pixels 0..255 become (pixel - mean) / std.
void set_range(std::string_view range, int channels, InputInfo& info) {
  const auto count = static_cast<std::size_t>(channels == 1 ? 1 : 3);
  if (range == "Normalized_0_1") {
    info.mean.assign(count, 0.0F);
    info.std.assign(count, 255.0F);
  }
  if (range == "Normalized_1_1") {
    info.mean.assign(count, 127.5F);
    info.std.assign(count, 127.5F);
  }
}

/// The quoted texts of a Python or JSON list or dictionary, in order.
std::vector<std::string> find_quoted(std::string_view text) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char mark = text[at];
    if (mark != '\'' && mark != '"') continue;
    std::string value;
    for (++at; at < text.size() && text[at] != mark; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      value += text[at];
    }
    found.push_back(std::move(value));
  }
  return found;
}

std::vector<std::string> parse_labels(const std::string& text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) return {};
  if (text[start] == '{' || text[start] == '[') return find_quoted(text);
  std::string lines = text;
  if (text.find('\n') == std::string::npos) {
    for (char& letter : lines)
      if (letter == ',') letter = '\n';
  }
  return split_labels(lines);
}

}  // namespace

InputInfo read_input_info(const ModelFile& model, const ValueInfo& input, const Shape& shape) {
  InputInfo info;
  info.name = input.name;
  info.source = "ONNX input";
  const auto pixels = [](std::int64_t size) {
    return size > 0 && size < (1 << 24) ? static_cast<int>(size) : 0;
  };
  if (shape.size() == 4) {
    info.channels = pixels(shape[1]);
    info.height = pixels(shape[2]);
    info.width = pixels(shape[3]);
  }
  constexpr std::uint32_t kDocString = 3;  // of ValueInfoProto
  const auto description = input.message.read_text(kDocString);
  if (const auto order = parse_pixel_format(find_text(model.metadata, "Image.BitmapPixelFormat"))) {
    info.color_order = order;
    info.source = "ONNX metadata";
  } else if (const auto described = find_in_description(description.value_or(""))) {
    info.color_order = described;
    info.source = "ONNX input's description";
  }
  set_range(find_text(model.metadata, "Image.NominalPixelRange"), info.channels, info);
  return info;
}

void read_labels(Graph& graph) {
  for (const char* key : {"names", "labels", "classes"}) {
    if (!graph.labels.empty()) return;
    std::vector<std::string> labels = parse_labels(find_text(graph.metadata, key));
    if (labels.empty()) continue;
    graph.labels = std::move(labels);
    graph.labels_source = std::string("metadata: ") + key;
  }
}

}  // namespace visionpress::onnx
