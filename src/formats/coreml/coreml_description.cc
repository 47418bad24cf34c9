#include "formats/coreml/coreml_description.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "formats/coreml/coreml_builder.h"
#include "formats/coreml/coreml_input_sizes.h"
#include "formats/coreml/coreml_schema.h"

namespace visionpress::coreml {
namespace {

/// One input of the description.
struct Feature {
  std::string name = {};
  bool is_image = false;
  Shape shape = {};  ///< its shape in the graph
  BlobAxes axes = {};
  InputInfo info = {};
};

Result<int> read_pixels(const ProtobufMessage& image, std::uint32_t field,
                        const std::string& name) {
  VP_ASSIGN_OR_RETURN(const std::int64_t pixels, image.read_int(field));
  if (pixels < 0 || pixels >= kMaxSize) {
    return fail_at(ErrorKind::Malformed, image.offset(),
                   "description.input \"{}\": an image of {} pixels a side", name, pixels);
  }
  return static_cast<int>(pixels);
}

/// The requested size for an input that allows several sizes; nothing if none was requested.
Result<std::optional<std::array<std::int64_t, 2>>> choose_size(const NetworkPlace& place,
                                                               const std::vector<SizeRange>& sizes,
                                                               Feature& feature) {
  feature.info.other_sizes = describe_sizes(sizes);
  if (sizes.empty() || !place.input_size || allows_size(sizes, *place.input_size)) {
    return sizes.empty() ? std::nullopt : place.input_size;
  }
  return fail(ErrorKind::InvalidArgument,
              "the input \"{}\" takes sizes of {}, an input size of {}x{} was asked for",
              feature.name, feature.info.other_sizes, (*place.input_size)[1],
              (*place.input_size)[0]);
}

/// Reads the image's size: the requested one, else the file's, else the first that the file allows.
Result<void> read_image_size(const ProtobufMessage& image, const NetworkPlace& place,
                             Feature& feature) {
  InputInfo& info = feature.info;
  VP_ASSIGN_OR_RETURN(info.width, read_pixels(image, feature_field::kImageWidth, feature.name));
  VP_ASSIGN_OR_RETURN(info.height, read_pixels(image, feature_field::kImageHeight, feature.name));
  VP_ASSIGN_OR_RETURN(const std::vector<SizeRange> sizes, read_image_sizes(image));
  VP_ASSIGN_OR_RETURN(auto chosen, choose_size(place, sizes, feature));
  const bool is_unsaid = info.width == 0 && info.height == 0 && !sizes.empty();
  if (!chosen && is_unsaid) chosen = {sizes[0][0].low, sizes[0][1].low};
  if (!chosen) return {};
  info.height = static_cast<int>(std::clamp<std::int64_t>((*chosen)[0], 0, kMaxSize - 1));
  info.width = static_cast<int>(std::clamp<std::int64_t>((*chosen)[1], 0, kMaxSize - 1));
  return {};
}

Result<void> read_image(const ProtobufMessage& image, bool rank4, const NetworkPlace& place,
                        Feature& feature) {
  feature.is_image = true;
  feature.axes = axes_of_rank(rank4 ? 4 : 5);
  InputInfo& info = feature.info;
  info.name = feature.name;
  info.source = "Core ML image input";
  VP_RETURN_IF_ERROR(read_image_size(image, place, feature));
  VP_ASSIGN_OR_RETURN(const std::uint64_t color, image.read_uint(feature_field::kImageColorSpace));
  switch (color) {
    case feature_field::kGrayscale:
    case feature_field::kGrayscaleFloat16:
      info.color_order = ColorOrder::Gray;
      break;
    case feature_field::kRgb:
      info.color_order = ColorOrder::Rgb;
      break;
    case feature_field::kBgr:
      info.color_order = ColorOrder::Bgr;
      break;
    default:
      return fail_at(ErrorKind::Malformed, image.offset(),
                     "description.input \"{}\": colour space {}, expected 10, 20, 30 or 40",
                     feature.name, color);
  }
  info.channels = info.color_order == ColorOrder::Gray ? 1 : 3;
  const auto size = [](int pixels) { return pixels == 0 ? std::int64_t{-1} : pixels; };
  feature.shape = {1, info.channels, size(info.height), size(info.width)};
  return {};
}

/// Reads a multi-array's shape as a tensor's. Extends [C] and [C,H,W] to rank 5 and drops the
/// sequence axis if it is 1.
Result<void> read_array(const ProtobufMessage& array, bool exact, const NetworkPlace& place,
                        Feature& feature) {
  VP_ASSIGN_OR_RETURN(Shape shape, array.read_ints(feature_field::kArrayShape));
  VP_ASSIGN_OR_RETURN(const std::vector<SizeRange> sizes, read_array_sizes(array));
  VP_ASSIGN_OR_RETURN(const auto chosen, choose_size(place, sizes, feature));
  if (chosen && shape.size() >= 3) {
    shape[shape.size() - 2] = (*chosen)[0];
    shape.back() = (*chosen)[1];
  }
  // An invalid size means an open size, as it does for an image of 0 pixels.
  for (std::int64_t& size : shape) {
    if (size < 1 || size >= kMaxSize) size = -1;
  }
  // RANK5_ARRAY_MAPPING is defined for one and three axes; other shapes are used unchanged.
  if (!exact && shape.size() == 1) shape = {1, 1, shape[0], 1, 1};
  if (!exact && shape.size() == 3) shape.insert(shape.begin(), 2, 1);
  const auto rank = static_cast<int>(shape.size());
  if (rank > 0) feature.axes = {rank, rank};
  if (rank == 5 && shape[0] == 1) {
    shape.erase(shape.begin());
    feature.axes.kept = 4;
  }
  feature.shape = std::move(shape);
  return {};
}

Result<Feature> read_feature(const ProtobufMessage& message, const NetworkPlace& place) {
  const ProtobufMessage& network = place.network;
  Feature feature;
  VP_ASSIGN_OR_RETURN(feature.name, message.read_text(feature_field::kName));
  VP_ASSIGN_OR_RETURN(const auto type, message.read_message(feature_field::kType));
  if (!type) return feature;
  VP_ASSIGN_OR_RETURN(const auto image, type->read_message(feature_field::kImage));
  VP_ASSIGN_OR_RETURN(const auto array, type->read_message(feature_field::kMultiArray));
  if (image) {
    VP_ASSIGN_OR_RETURN(const std::uint64_t mapping,
                        network.read_uint(network_field::kImageInputShapeMapping));
    VP_RETURN_IF_ERROR(read_image(*image, mapping == 1, place, feature));
  } else if (array) {
    VP_ASSIGN_OR_RETURN(const std::uint64_t mapping,
                        network.read_uint(network_field::kArrayInputShapeMapping));
    VP_RETURN_IF_ERROR(read_array(*array, mapping == 1, place, feature));
  }
  return feature;
}

/// One preprocessing step of one input, as nodes between the input's tensor and its blob.
class Preprocessing {
 public:
  Preprocessing(NetworkBuilder& builder, const Feature& feature, std::string path)
      : builder_(builder), feature_(feature), path_(std::move(path)) {}

  [[nodiscard]] Result<void> add_scaler(const ProtobufMessage& scaler);
  [[nodiscard]] Result<void> add_mean_image(const ProtobufMessage& parent,
                                            const ProtobufMessage& mean);

 private:
  void add_node(const char* type, Op op, std::vector<TensorId> more) {
    Node node;
    node.name = "preprocessing";
    node.source_type = type;
    node.path = path_ + "." + type;
    node.op = std::move(op);
    node.inputs = {builder_.read_blob(feature_.name).id};
    node.inputs.insert(node.inputs.end(), more.begin(), more.end());
    node.outputs = {builder_.write_blob(feature_.name, feature_.axes)};
    builder_.graph.nodes.push_back(std::move(node));
  }

  NetworkBuilder& builder_;
  const Feature& feature_;
  std::string path_;
};

Result<void> Preprocessing::add_scaler(const ProtobufMessage& scaler) {
  VP_ASSIGN_OR_RETURN(const float scale, scaler.read_float(preprocessing_field::kChannelScale));
  VP_ASSIGN_OR_RETURN(const float blue, scaler.read_float(preprocessing_field::kBlueBias));
  VP_ASSIGN_OR_RETURN(const float green, scaler.read_float(preprocessing_field::kGreenBias));
  VP_ASSIGN_OR_RETURN(const float red, scaler.read_float(preprocessing_field::kRedBias));
  VP_ASSIGN_OR_RETURN(const float gray, scaler.read_float(preprocessing_field::kGrayBias));
  if (scale != 1.0F) add_node("scaler", Unary{UnaryKind::Linear, scale, 0.0F}, {});
  std::vector<float> biases = {red, green, blue};
  if (feature_.info.color_order == ColorOrder::Bgr) biases = {blue, green, red};
  if (feature_.info.color_order == ColorOrder::Gray) biases = {gray};
  if (std::all_of(biases.begin(), biases.end(), [](float bias) { return bias == 0.0F; })) return {};
  const Shape shape = {1, static_cast<std::int64_t>(biases.size()), 1, 1};
  const TensorId literal = builder_.add_literal("preprocessing:biases", shape, std::move(biases));
  add_node("scaler", Binary{BinaryKind::Add}, {literal});
  return {};
}

Result<void> Preprocessing::add_mean_image(const ProtobufMessage& parent,
                                           const ProtobufMessage& mean) {
  const ProtobufField* values = mean.find_last(preprocessing_field::kMeanImageValues);
  const std::string path = path_ + ".meanImage";
  if (values == nullptr || values->type != ProtobufType::Delimited) {
    return fail_at(ErrorKind::Malformed, parent.offset(), "{}: no packed floats", path);
  }
  Shape shape = feature_.shape;
  if (!shape.empty()) shape.erase(shape.begin());
  const std::optional<std::int64_t> count = element_count(shape);
  const std::optional<std::int64_t> bytes =
      count ? checked_multiply(*count, static_cast<std::int64_t>(sizeof(float))) : std::nullopt;
  if (!bytes || static_cast<std::uint64_t>(*bytes) != values->content.size()) {
    return fail_at(ErrorKind::Malformed, values->tag_offset,
                   "{}: payload is {} bytes, the input's shape {} needs {}", path,
                   values->content.size(), to_string(shape), bytes.value_or(-1));
  }
  Weight weight;
  weight.name = "preprocessing:meanImage";
  if (!builder_.weight_names.insert(weight.name).second) {
    weight.name = path;
    builder_.weight_names.insert(path);
  }
  weight.layer = "preprocessing";
  weight.path = path;
  weight.layer_group = kNoLayerGroup;
  weight.fixed_because = "a mean image has one form only, floats";
  weight.stored.shape = shape;
  weight.stored.payload = values->content;
  Tensor tensor;
  tensor.name = weight.name;
  tensor.shape = feature_.shape;
  tensor.weight = builder_.graph.weights.size();
  builder_.graph.weights.push_back(std::move(weight));
  builder_.slots.emplace_back();
  add_node("meanImage", Binary{BinaryKind::Subtract},
           {builder_.graph.add_tensor(std::move(tensor))});
  return {};
}

/// Marks a file that preprocesses an input other than an image as one that cannot be run; it can
/// still be rewritten.
void refuse_preprocessing(const std::vector<Feature>& features, const std::string& path,
                          const std::string& name, NetworkBuilder& builder) {
  if (features.empty()) return;
  Node node;
  node.name = "preprocessing";
  node.source_type = "preprocessing";
  node.path = path;
  node.op = Unsupported{fmt::format("there is no image input \"{}\"", name)};
  node.inputs = {builder.read_blob(features[0].name).id};
  node.outputs = {builder.write_blob(features[0].name, features[0].axes)};
  builder.graph.nodes.push_back(std::move(node));
}

Result<void> read_preprocessing(const NetworkPlace& place, const std::vector<Feature>& features,
                                NetworkBuilder& builder) {
  VP_ASSIGN_OR_RETURN(const auto steps, place.network.read_messages(network_field::kPreprocessing));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string path = fmt::format("{}.preprocessing[{}]", place.name, i);
    VP_ASSIGN_OR_RETURN(const std::string name,
                        steps[i].read_text(preprocessing_field::kFeatureName));
    // The oldest converters omitted the name if there is one input.
    const auto feature =
        std::find_if(features.begin(), features.end(), [&](const Feature& candidate) {
          return candidate.is_image && (name.empty() || candidate.name == name);
        });
    if (feature == features.end()) {
      refuse_preprocessing(features, path, name, builder);
      continue;
    }
    Preprocessing preprocessing(builder, *feature, path);
    VP_ASSIGN_OR_RETURN(const auto scaler, steps[i].read_message(preprocessing_field::kScaler));
    VP_ASSIGN_OR_RETURN(const auto mean, steps[i].read_message(preprocessing_field::kMeanImage));
    if (scaler) VP_RETURN_IF_ERROR(preprocessing.add_scaler(*scaler));
    if (mean) VP_RETURN_IF_ERROR(preprocessing.add_mean_image(steps[i], *mean));
  }
  return {};
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::size_t first = begin;
    std::size_t last = end;
    while (first < last && text[first] == ' ') ++first;
    while (last > first && text[last - 1] == ' ') --last;
    parts.push_back(text.substr(first, last - first));
    begin = end + 1;
  }
  return parts;
}

Result<void> read_class_labels(const ProtobufMessage& network, Graph& graph) {
  VP_ASSIGN_OR_RETURN(const auto texts, network.read_message(network_field::kStringClassLabels));
  VP_ASSIGN_OR_RETURN(const auto numbers, network.read_message(network_field::kInt64ClassLabels));
  if (texts) {
    VP_ASSIGN_OR_RETURN(graph.labels, texts->read_texts(network_field::kLabelVector));
  } else if (numbers) {
    VP_ASSIGN_OR_RETURN(const auto values, numbers->read_ints(network_field::kLabelVector));
    for (const std::int64_t value : values) graph.labels.push_back(std::to_string(value));
  }
  if (!graph.labels.empty()) graph.labels_source = "classifier labels";
  return {};
}

/// The tool that wrote the file, such as "coremltools 4.1, of tensorflow==2.4.1"; empty if the file
/// does not name it. source: the keys that coremltools writes (3 and before: coremltoolsVersion).
std::string describe_producer(const std::map<std::string, std::string>& metadata) {
  const auto find = [&metadata](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  std::string version = find("com.github.apple.coremltools.version");
  if (version.empty()) version = find("coremltoolsVersion");
  if (version.empty()) return {};
  const std::string source = find("com.github.apple.coremltools.source");
  return "coremltools " + version + (source.empty() ? "" : ", of " + source);
}

Result<void> read_metadata(const ProtobufMessage& description, Graph& graph) {
  VP_ASSIGN_OR_RETURN(const auto metadata, description.read_message(description_field::kMetadata));
  if (!metadata) return {};
  struct Text {
    std::uint32_t field;
    const char* key;
  };
  constexpr std::array<Text, 4> kTexts = {{{metadata_field::kShortDescription, "shortDescription"},
                                           {metadata_field::kVersion, "versionString"},
                                           {metadata_field::kAuthor, "author"},
                                           {metadata_field::kLicense, "license"}}};
  for (const Text& text : kTexts) {
    VP_ASSIGN_OR_RETURN(std::string value, metadata->read_text(text.field));
    if (!value.empty()) graph.metadata[text.key] = std::move(value);
  }
  VP_ASSIGN_OR_RETURN(const auto entries, metadata->read_messages(metadata_field::kUserDefined));
  for (const ProtobufMessage& entry : entries) {
    VP_ASSIGN_OR_RETURN(std::string key, entry.read_text(metadata_field::kMapKey));
    VP_ASSIGN_OR_RETURN(std::string value, entry.read_text(metadata_field::kMapValue));
    graph.metadata[std::move(key)] = std::move(value);
  }
  graph.producer = describe_producer(graph.metadata);
  return {};
}

}  // namespace

Result<void> read_inputs(const NetworkPlace& place, NetworkBuilder& builder) {
  VP_ASSIGN_OR_RETURN(const auto inputs,
                      place.description.read_messages(description_field::kInput));
  std::vector<Feature> features;
  for (const ProtobufMessage& input : inputs) {
    VP_ASSIGN_OR_RETURN(Feature feature, read_feature(input, place));
    features.push_back(std::move(feature));
  }
  std::stable_partition(features.begin(), features.end(),
                        [](const Feature& feature) { return feature.is_image; });
  for (const Feature& feature : features) {
    const TensorId id = builder.write_blob(feature.name, feature.axes);
    builder.graph.tensors[static_cast<std::size_t>(id)].shape = feature.shape;
    builder.graph.inputs.push_back(id);
  }
  if (!features.empty()) {
    InputInfo& info = builder.graph.input_info;
    info = features[0].info;
    if (!features[0].is_image) {
      info.name = features[0].name;
      info.source = "Core ML multi-array input";
      if (features[0].shape.size() == 4) {
        info.channels = static_cast<int>(features[0].shape[1]);
        info.height = static_cast<int>(features[0].shape[2]);
        info.width = static_cast<int>(features[0].shape[3]);
      }
    }
  }
  return read_preprocessing(place, features, builder);
}

Result<void> read_outputs(const NetworkPlace& place, NetworkBuilder& builder) {
  Graph& graph = builder.graph;
  VP_ASSIGN_OR_RETURN(const std::string label_name,
                      place.description.read_text(description_field::kPredictedFeatureName));
  VP_ASSIGN_OR_RETURN(std::string probabilities,
                      place.network.read_text(network_field::kLabelProbabilityLayerName));
  if (probabilities.empty()) {
    VP_ASSIGN_OR_RETURN(
        probabilities, place.description.read_text(description_field::kPredictedProbabilitiesName));
  }
  const auto add = [&](const std::string& name) {
    const auto blob = builder.blobs.find(name);
    if (blob == builder.blobs.end()) return;
    const TensorId id = blob->second.id;
    if (std::find(graph.outputs.begin(), graph.outputs.end(), id) == graph.outputs.end()) {
      graph.outputs.push_back(id);
    }
  };
  const bool classifier = place.name == "neuralNetworkClassifier";
  if (classifier) add(probabilities);
  VP_ASSIGN_OR_RETURN(const auto outputs,
                      place.description.read_messages(description_field::kOutput));
  for (const ProtobufMessage& output : outputs) {
    VP_ASSIGN_OR_RETURN(const std::string name, output.read_text(feature_field::kName));
    if (!classifier || name != label_name) add(name);
  }
  if (graph.outputs.empty() && !graph.nodes.empty() && !graph.nodes.back().outputs.empty()) {
    graph.outputs.push_back(graph.nodes.back().outputs[0]);
  }
  return {};
}

Result<void> read_texts(const NetworkPlace& place, NetworkBuilder& builder) {
  Graph& graph = builder.graph;
  VP_RETURN_IF_ERROR(read_metadata(place.description, graph));
  VP_RETURN_IF_ERROR(read_class_labels(place.network, graph));
  for (const char* key : {"classes", "labels"}) {
    const auto found = graph.metadata.find(key);
    if (!graph.labels.empty() || found == graph.metadata.end()) continue;
    graph.labels = split_commas(found->second);
    graph.labels_source = fmt::format("metadata: {}", key);
  }
  return {};
}

}  // namespace visionpress::coreml
