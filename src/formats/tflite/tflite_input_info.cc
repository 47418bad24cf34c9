#include "formats/tflite/tflite_input_info.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/label_text.h"
#include "tflite_metadata_generated.h"

namespace visionpress {
namespace {

constexpr const char* kMetadataName = "TFLITE_METADATA";
constexpr std::size_t kMaxTextBytes = 4096;  ///< a metadata buffer this short may be a text

Bytes view_metadata(const TfliteModel& model, const tfl::Metadata& entry) {
  if (entry.buffer() >= size_of(model.root.buffers())) return {};
  return view_payload(model.file, at_index(*model.root.buffers(), entry.buffer()));
}

/// The printable text at the start of `bytes`; empty if anything but zeros follows it.
std::string text_of(Bytes bytes) {
  if (bytes.size() > kMaxTextBytes) return {};
  std::string_view text = view_text(bytes);
  text = text.substr(0, std::min(text.size(), text.find_last_not_of('\0') + 1));
  const bool printable = std::all_of(text.begin(), text.end(),
                                     [](char c) { return static_cast<unsigned char>(c) >= ' '; });
  return printable ? std::string(text) : std::string();
}

void set_text(Graph& graph, const char* key, const flatbuffers::String* text) {
  if (text != nullptr && text->size() > 0) graph.metadata[key] = text->str();
}

/// The metadata's table, if its buffer holds one that passes the verifier; else null.
const tflmeta::ModelMetadata* find_description(const TfliteModel& model, Diagnostics& diagnostics) {
  if (model.root.metadata() == nullptr) return nullptr;
  for (const tfl::Metadata* entry : *model.root.metadata()) {
    if (entry->name() == nullptr || entry->name()->string_view() != kMetadataName) continue;
    const Bytes bytes = view_metadata(model, *entry);
    const auto* start = view_as<const std::uint8_t>(bytes.data());
    flatbuffers::Verifier verifier(start, bytes.size());
    if (bytes.size() < 8 || !tflmeta::VerifyModelMetadataBuffer(verifier)) {
      diagnostics.warn(
          fmt::format("metadata \"{}\": not a description that can be read", kMetadataName));
      return nullptr;
    }
    return tflmeta::GetModelMetadata(start);
  }
  return nullptr;
}

const tflmeta::TensorMetadata* find_first(
    const flatbuffers::Vector<flatbuffers::Offset<tflmeta::TensorMetadata>>* tensors) {
  return size_of(tensors) == 0 ? nullptr : tensors->Get(0);
}

void read_normalization(const tflmeta::TensorMetadata& tensor, InputInfo& info) {
  if (tensor.content() != nullptr) {
    const auto* image = tensor.content()->content_properties_as_ImageProperties();
    if (image != nullptr && image->color_space() == tflmeta::ColorSpace::Rgb) {
      info.color_order = ColorOrder::Rgb;
      info.source = "TFLite metadata";
    }
    if (image != nullptr && image->color_space() == tflmeta::ColorSpace::Grayscale) {
      info.color_order = ColorOrder::Gray;
      info.source = "TFLite metadata";
    }
  }
  if (tensor.process_units() == nullptr) return;
  for (const tflmeta::ProcessUnit* unit : *tensor.process_units()) {
    const auto* options = unit->options_as_NormalizationOptions();
    if (options == nullptr || size_of(options->mean()) == 0 ||
        size_of(options->mean()) != size_of(options->std())) {
      continue;
    }
    info.mean.assign(options->mean()->begin(), options->mean()->end());
    info.std.assign(options->std()->begin(), options->std()->end());
    info.source = "TFLite metadata";
  }
}

/// Names of label files in the metadata: those of the outputs, then those of the subgraph.
std::vector<std::string> label_files(const tflmeta::SubGraphMetadata& subgraph) {
  std::vector<std::string> names;
  const auto add = [&names](const auto* files) {
    if (files == nullptr) return;
    for (const tflmeta::AssociatedFile* file : *files) {
      const bool labels = file->type() == tflmeta::AssociatedFileType::TensorAxisLabels ||
                          file->type() == tflmeta::AssociatedFileType::TensorValueLabels;
      if (labels && file->name() != nullptr) names.push_back(file->name()->str());
    }
  };
  if (subgraph.output_tensor_metadata() != nullptr) {
    for (const tflmeta::TensorMetadata* tensor : *subgraph.output_tensor_metadata()) {
      add(tensor->associated_files());
    }
  }
  add(subgraph.associated_files());
  return names;
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
    at = end + 1;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

const ArchiveEntry* find_labels(const AppendedArchive& archive,
                                const std::vector<std::string>& wanted) {
  for (const std::string& name : wanted) {
    for (const ArchiveEntry& entry : archive.entries) {
      if (entry.name == name) return &entry;
    }
  }
  // Without metadata, a single text file in the archive must be the labels.
  const ArchiveEntry* found = nullptr;
  for (const ArchiveEntry& entry : archive.entries) {
    if (!entry.name.ends_with(".txt")) continue;
    if (found != nullptr) return nullptr;
    found = &entry;
  }
  return found;
}

/// The labels lie in an archive behind the model. If its end is missing, nothing else would say so.
void warn_of_lost_archive(Bytes file, const std::vector<std::string>& wanted,
                          Diagnostics& diagnostics) {
  if (has_archive_start(file)) {
    diagnostics.warn(
        "the archive behind the model, which holds its labels, has no end: the file is cut short, "
        "and its labels are lost");
  } else if (!wanted.empty()) {
    diagnostics.warn(
        fmt::format("its metadata names the label file \"{}\", but there is no archive behind the "
                    "model: the file is cut short, or the labels were never packed",
                    wanted.front()));
  }
}

void read_labels(const TfliteModel& model, const std::vector<std::string>& wanted, Graph& graph,
                 Diagnostics& diagnostics) {
  if (!model.archive) return warn_of_lost_archive(model.file, wanted, diagnostics);
  const ArchiveEntry* entry = find_labels(*model.archive, wanted);
  if (entry == nullptr && !wanted.empty()) {
    diagnostics.warn(
        fmt::format("its metadata names the label file \"{}\", which the archive behind the model "
                    "does not hold",
                    wanted.front()));
  }
  if (entry == nullptr) return;
  auto text = load_entry(model.file, *entry);
  if (!text) {
    diagnostics.warn(text.error().to_string());
    return;
  }
  if (const std::string why = describe_not_text(*text); !why.empty()) {
    diagnostics.warn(
        fmt::format("appended archive: {} is not read as labels: {}", entry->name, why));
    return;
  }
  graph.labels = split_lines(*text);
  graph.labels_source = fmt::format("appended archive: {}", entry->name);
}

void read_shape(const Graph& graph, InputInfo& info) {
  info.source = "nothing";
  for (const TensorId id : graph.inputs) {
    const Tensor& tensor = graph.tensor(id);
    if (tensor.shape.size() != 4) continue;
    const auto pixels = [&tensor](std::size_t axis) {
      return static_cast<int>(std::max<std::int64_t>(tensor.shape[axis], 0));
    };
    const bool is_planar = is_planar_image(tensor.shape);
    const std::size_t first = is_planar ? 2 : 1;
    info.name = tensor.name;
    info.height = pixels(first);
    info.width = pixels(first + 1);
    info.channels = pixels(is_planar ? 1 : 3);
    return;
  }
}

/// Whether anything but a cast, which takes the bytes as they are, reads the tensor.
bool is_read_as_codes(const Graph& graph, TensorId id) {
  return std::ranges::any_of(graph.nodes, [id](const Node& node) {
    return !std::holds_alternative<Identity>(node.op) &&
           std::ranges::find(node.inputs, id) != node.inputs.end();
  });
}

/// Callers of a runtime put pixels into a quantized input as its codes: a byte as it is, or less
/// 128. This is the real value of such a code; what the metadata says is meant for float inputs.
void read_input_codes(const Graph& graph, InputInfo& info) {
  for (const TensorId id : graph.inputs) {
    const Tensor& tensor = graph.tensor(id);
    const bool is_byte = tensor.dtype == DType::Int8 || tensor.dtype == DType::UInt8;
    if (tensor.shape.size() != 4 || !is_byte || !tensor.quantization ||
        !is_read_as_codes(graph, id))
      continue;
    const QuantParams& params = *tensor.quantization;
    if (params.scales.size() != 1 || !(params.scales[0] > 0.0F)) return;
    const std::int64_t zero = params.zero_points.empty() ? 0 : params.zero_points[0];
    info.mean = {static_cast<float>(zero + (tensor.dtype == DType::Int8 ? 128 : 0))};
    info.std = {1.0F / params.scales[0]};
    if (info.source == "nothing") info.source = "quantized input";
    return;
  }
}

}  // namespace

bool is_planar_image(const Shape& shape) {
  const auto is_channels = [](std::int64_t size) { return size == 1 || size == 3 || size == 4; };
  return shape.size() == 4 && is_channels(shape[1]) && shape[2] != 1 && !is_channels(shape[3]);
}

Result<void> read_input_info(const TfliteModel& model, Graph& graph, Diagnostics& diagnostics) {
  read_shape(graph, graph.input_info);
  if (model.root.metadata() != nullptr) {
    for (const tfl::Metadata* entry : *model.root.metadata()) {
      std::string text = text_of(view_metadata(model, *entry));
      if (entry->name() != nullptr && !text.empty()) graph.metadata[entry->name()->str()] = text;
    }
  }
  std::vector<std::string> wanted;
  if (const auto* description = find_description(model, diagnostics)) {
    set_text(graph, "name", description->name());
    set_text(graph, "description", description->description());
    set_text(graph, "version", description->version());
    set_text(graph, "author", description->author());
    set_text(graph, "license", description->license());
    if (size_of(description->subgraph_metadata()) > 0) {
      const auto& subgraph = *description->subgraph_metadata()->Get(0);
      const auto* input = find_first(subgraph.input_tensor_metadata());
      if (input != nullptr) read_normalization(*input, graph.input_info);
      wanted = label_files(subgraph);
    }
  }
  read_input_codes(graph, graph.input_info);
  read_labels(model, wanted, graph, diagnostics);
  return {};
}

}  // namespace visionpress
