// The first release of iOS and macOS that opens a Core ML NeuralNetwork file, layer by layer: a
// release opens files up to its specification version, and each kind of layer, form of weight and
// feature of the description belongs to one version.
// source: apple/coremltools mlmodel/format/{Model,NeuralNetwork}.proto, mlmodel/src/Utils.cpp
// (downgradeSpecificationVersion), as of 9.0.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "formats/coreml/coreml_layers.h"
#include "formats/coreml/coreml_model.h"
#include "formats/coreml/coreml_schema.h"

namespace visionpress::coreml {
namespace {

/// The releases that open each specification version, from version 1 on.
constexpr std::array kReleases = {
    "iOS 11, macOS 10.13", "iOS 11.2, macOS 10.13.2", "iOS 12, macOS 10.14", "iOS 13, macOS 10.15",
    "iOS 14, macOS 11",    "iOS 15, macOS 12",        "iOS 16, macOS 13",    "iOS 17, macOS 14",
    "iOS 18, macOS 15",    "iOS 26, macOS 26",
};

std::string release_of(std::uint64_t version) {
  const std::uint64_t index = std::max<std::uint64_t>(version, 1) - 1;
  return index < kReleases.size() ? kReleases[index]
                                  : fmt::format("specification version {}", version);
}

/// The version that something needs, and what it is.
struct Need {
  std::uint64_t version = 1;
  std::string what = {};

  void raise(std::uint64_t to, std::string why) {
    if (to <= version) return;
    version = to;
    what = std::move(why);
  }
};

// Layers whose version depends on their parameters. Numbers: the layer's field, then the
// parameter's.
constexpr std::uint32_t kConvolution = 100;
constexpr std::uint32_t kInnerProduct = 140;
constexpr std::uint32_t kInnerProductInt8 = 22;
constexpr std::uint32_t kUpsample = 210;
constexpr std::uint32_t kUpsampleLinearMode = 6;
constexpr std::uint32_t kUpsampleFraction = 7;
constexpr std::uint32_t kResizeBilinear = 211;
constexpr std::uint32_t kCropResize = 212;
constexpr std::uint32_t kReorganizeData = 345;
constexpr std::uint32_t kReorganizeMode = 1;
constexpr std::uint64_t kPixelShuffle = 2;
constexpr std::uint32_t kCustom = 500;
constexpr std::uint32_t kFirstOf4 = 600;   ///< the first layer of specification version 4
constexpr std::uint32_t kFirstOf5 = 1450;  ///< the first layer of version 5
constexpr std::uint32_t kConcatNd = 980;
constexpr std::uint32_t kConcatInterleave = 2;
constexpr std::uint32_t kSliceDynamic = 1000;
constexpr std::uint32_t kSliceSqueeze = 6;
constexpr std::size_t kSliceInputs = 7;
constexpr std::uint32_t kBatchedMatmul = 1045;
constexpr std::uint32_t kBatchedMatmulInt8 = 10;

bool is_set(const ProtobufMessage& params, std::uint32_t field) {
  return params.read_uint(field).value_or(0) != 0;
}

Need find_layer_need(const ProtobufMessage& layer, const ProtobufField& type) {
  Need need;
  const std::uint32_t kind = type.number;
  const std::string name = layer_type_name(kind);
  if (kind == kCustom) need.raise(2, "a custom layer");
  if (kind == kResizeBilinear || kind == kCropResize) need.raise(3, name);
  if (kind >= kFirstOf4) need.raise(4, name);
  if (kind >= kFirstOf5) need.raise(5, name);
  const auto inputs = layer.read_texts(layer_field::kInput);
  const std::size_t input_count = inputs ? inputs->size() : 0;
  if (kind == kConvolution && input_count > 1) need.raise(4, "a computed kernel");
  const auto params = layer.open(type);
  if (!params) return need;
  const bool has_int8 = (kind == kInnerProduct && is_set(*params, kInnerProductInt8)) ||
                        (kind == kBatchedMatmul && is_set(*params, kBatchedMatmulInt8));
  if (has_int8) need.raise(5, "int8 arithmetic");
  if (kind == kUpsample) {
    if (is_set(*params, kUpsampleLinearMode)) need.raise(5, "linearUpsampleMode");
    if (params->has(kUpsampleFraction)) need.raise(5, "fractionalScalingFactor");
  }
  if (kind == kReorganizeData && params->read_uint(kReorganizeMode).value_or(0) == kPixelShuffle) {
    need.raise(5, "PIXEL_SHUFFLE");
  }
  if (kind == kConcatNd && is_set(*params, kConcatInterleave)) need.raise(5, "interleave");
  if (kind == kSliceDynamic && (input_count == kSliceInputs || params->has(kSliceSqueeze))) {
    need.raise(5, "squeezeMasks");
  }
  return need;
}

/// The form of a layer's weights.
void raise_for_weights(const Graph& graph, std::size_t layer, Need& need) {
  for (const Weight& weight : graph.weights) {
    if (weight.layer_group != layer) continue;
    const Encoding encoding = weight.stored.code.encoding;
    if (encoding == Encoding::Float16) need.raise(kVersionFloat16, "float16 weights");
    if (encoding == Encoding::Linear || encoding == Encoding::Table) {
      need.raise(kVersionQuantized, "quantized weights");
    }
  }
}

// Fields of FeatureType that are not read elsewhere. source: FeatureTypes.proto.
constexpr std::uint32_t kArrayDataType = 2;
constexpr std::uint64_t kArrayFloat16 = 65552;
constexpr std::uint64_t kArrayInt8 = 131080;
constexpr std::uint32_t kFirstDefault = 41;
constexpr std::uint32_t kLastDefault = 61;

void raise_for_feature(const ProtobufMessage& feature, Need& need) {
  const auto type = feature.read_message(feature_field::kType);
  if (!type || !*type) return;
  for (const std::uint32_t kind : {feature_field::kImage, feature_field::kMultiArray}) {
    const auto details = (*type)->read_message(kind);
    if (!details || !*details) continue;
    const ProtobufMessage& value = **details;
    if (value.has(feature_field::kEnumeratedSizes) || value.has(feature_field::kSizeRange)) {
      need.raise(3, "inputs of several sizes");
    }
    if (kind == feature_field::kImage) {
      const std::uint64_t space = value.read_uint(feature_field::kImageColorSpace).value_or(0);
      if (space == feature_field::kGrayscaleFloat16) need.raise(7, "a float16 image");
      continue;
    }
    const bool has_default = std::ranges::any_of(value.fields(), [](const ProtobufField& field) {
      return field.number >= kFirstDefault && field.number <= kLastDefault;
    });
    if (has_default) need.raise(5, "an input with a default");
    const std::uint64_t data_type = value.read_uint(kArrayDataType).value_or(0);
    if (data_type == kArrayFloat16) need.raise(7, "a float16 array");
    if (data_type == kArrayInt8) need.raise(10, "an int8 array");
  }
}

void raise_for_model(const ProtobufMessage& model, const ProtobufMessage& network, Need& need) {
  if (model.read_bool(model_field::kIsUpdatable).value_or(false)) {
    need.raise(4, "training on the device");
  }
  if (is_set(network, network_field::kArrayInputShapeMapping) ||
      is_set(network, network_field::kImageInputShapeMapping)) {
    need.raise(4, "inputs of their exact rank");
  }
  const auto description = model.read_message(model_field::kDescription);
  if (!description || !*description) return;
  for (const std::uint32_t side : {description_field::kInput, description_field::kOutput}) {
    const auto features = (*description)->read_messages(side);
    if (!features) continue;
    for (const ProtobufMessage& feature : *features) raise_for_feature(feature, need);
  }
}

const ProtobufField* find_field_from(const ProtobufMessage& message, std::uint32_t first) {
  for (const ProtobufField& field : message.fields()) {
    if (field.number >= first) return &field;
  }
  return nullptr;
}

/// Walks the layers of a file that was read before, so that nothing in it can fail now.
class ReleaseWalk {
 public:
  ReleaseWalk(const Graph& graph, std::uint64_t declared) : graph_(graph), declared_(declared) {}

  RuntimeReport judge(const ProtobufMessage& model) {
    const ProtobufField* kind = find_field_from(model, model_field::kFirstKind);
    if (kind == nullptr) return {};
    const auto network = model.open(*kind);
    if (!network) return {};
    raise_for_model(model, *network, whole_);
    const auto layers = network->read_messages(network_field::kLayers);
    if (!layers) return {};
    for (const ProtobufMessage& layer : *layers) add_layer(layer);
    finish();
    return std::move(report_);
  }

 private:
  void add_layer(const ProtobufMessage& layer);
  void finish();

  const Graph& graph_;
  std::uint64_t declared_ = 1;
  Need whole_ = {};
  RuntimeReport report_ = {};
  std::size_t taken_ = 0;
};

void ReleaseWalk::add_layer(const ProtobufMessage& layer) {
  const std::size_t index = report_.operators.size();
  OperatorRuntimes row;
  row.name = layer.read_text(layer_field::kName).value_or(std::string());
  if (row.name.empty()) row.name = fmt::format("layers[{}]", index);
  const ProtobufField* type = find_field_from(layer, layer_field::kFirstType);
  RuntimeAnswer answer;
  if (type != nullptr) {
    row.type = layer_type_name(type->number);
    Need need = find_layer_need(layer, *type);
    raise_for_weights(graph_, index, need);
    answer.since = release_of(need.version);
    if (need.version > declared_) {
      answer.take = RuntimeTake::Refuses;
      answer.why = fmt::format("{} needs specification version {}, the file declares {}", need.what,
                               need.version, declared_);
    } else if (type->number == kCustom) {
      answer.take = RuntimeTake::Falls;
      answer.why = "the app must bring the class of this custom layer";
    }
    whole_.raise(need.version, fmt::format("{} in layer \"{}\"", need.what, row.name));
  }
  if (answer.take == RuntimeTake::Takes) ++taken_;
  row.answers.push_back(std::move(answer));
  report_.operators.push_back(std::move(row));
}

void ReleaseWalk::finish() {
  RuntimeInfo info{.id = "coreml",
                   .name = "Core ML",
                   .basis = "the documented rules; no device was asked",
                   .taken = taken_};
  info.since = release_of(std::max(declared_, whole_.version));
  if (whole_.version > declared_) {
    info.refused_because = fmt::format("{} needs specification version {}, the file declares {}",
                                       whole_.what, whole_.version, declared_);
  } else if (whole_.version < declared_) {
    info.note = fmt::format("its content needs version {} ({}), the file declares {}",
                            whole_.version, release_of(whole_.version), declared_);
  }
  info.partitions = info.refused_because.empty() ? 1 : 0;
  report_.runtimes.push_back(std::move(info));
}

}  // namespace

RuntimeReport CoreMlModel::judge_runtimes() const {
  const auto model = ProtobufMessage::read_file(file_);
  if (!model) return {};
  return ReleaseWalk(graph_, std::max<std::uint64_t>(version_.number, 1)).judge(*model);
}

}  // namespace visionpress::coreml
