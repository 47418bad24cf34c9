#include "formats/coreml/coreml_reader.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "formats/coreml/coreml_builder.h"
#include "formats/coreml/coreml_description.h"
#include "formats/coreml/coreml_model.h"
#include "formats/coreml/coreml_schema.h"

namespace visionpress {
namespace coreml {
namespace {

/// The kinds of model, by their field in Model (Model.proto, oneof Type).
struct KindRow {
  std::uint32_t field;
  const char* name;
  bool read;
};

constexpr std::array kKinds = std::to_array<KindRow>({
    {200, "pipelineClassifier", false},
    {201, "pipelineRegressor", false},
    {202, "pipeline", false},
    {300, "glmRegressor", false},
    {301, "supportVectorRegressor", false},
    {302, "treeEnsembleRegressor", false},
    {model_field::kNeuralNetworkRegressor, "neuralNetworkRegressor", true},
    {304, "bayesianProbitRegressor", false},
    {400, "glmClassifier", false},
    {401, "supportVectorClassifier", false},
    {402, "treeEnsembleClassifier", false},
    {model_field::kNeuralNetworkClassifier, "neuralNetworkClassifier", true},
    {404, "kNearestNeighborsClassifier", false},
    {model_field::kNeuralNetwork, "neuralNetwork", true},
    {501, "itemSimilarityRecommender", false},
    {502, "mlProgram", false},
    {555, "customModel", false},
    {556, "linkedModel", false},
    {560, "classConfidenceThresholding", false},
    {600, "oneHotEncoder", false},
    {601, "imputer", false},
    {602, "featureVectorizer", false},
    {603, "dictVectorizer", false},
    {604, "scaler", false},
    {606, "categoricalMapping", false},
    {607, "normalizer", false},
    {609, "arrayFeatureExtractor", false},
    {610, "nonMaximumSuppression", false},
    {900, "identity", false},
    {2000, "textClassifier", false},
    {2001, "wordTagger", false},
    {2002, "visionFeaturePrint", false},
    {2003, "soundAnalysisPreprocessing", false},
    {2004, "gazetteer", false},
    {2005, "wordEmbedding", false},
    {2006, "audioFeaturePrint", false},
    {3000, "serializedModel", false},
});

/// The field of Model that holds the network, and its name.
struct Kind {
  const ProtobufField* field = nullptr;
  std::string name = {};
};

Result<Kind> find_kind(const ProtobufMessage& model) {
  Kind kind;
  for (const ProtobufField& field : model.fields()) {
    if (field.number < model_field::kFirstKind) continue;
    if (kind.field != nullptr) {
      return fail_at(ErrorKind::Malformed, field.tag_offset,
                     "the file holds two models (fields {} and {}), expected one",
                     kind.field->number, field.number);
    }
    kind.field = &field;
    kind.name = fmt::format("model kind {}", field.number);
    bool read = false;
    for (const KindRow& row : kKinds) {
      if (row.field != field.number) continue;
      kind.name = row.name;
      read = row.read;
    }
    if (!read) {
      return fail_at(ErrorKind::Unsupported, field.tag_offset,
                     "a Core ML {} cannot be read; only neuralNetwork, neuralNetworkClassifier "
                     "and neuralNetworkRegressor can",
                     kind.name);
    }
  }
  if (kind.field == nullptr) {
    return fail(ErrorKind::Malformed, "no Core ML model: none of its fields holds a network");
  }
  return kind;
}

/// The field that holds a layer's type; null if there is none.
Result<const ProtobufField*> find_layer_type(const ProtobufMessage& layer,
                                             const std::string& path) {
  const ProtobufField* found = nullptr;
  for (const ProtobufField& field : layer.fields()) {
    if (field.number < layer_field::kFirstType) continue;
    if (found != nullptr) {
      return fail_at(ErrorKind::Malformed, field.tag_offset,
                     "{}: two types ({} and {}), expected one", path,
                     layer_type_name(found->number), layer_type_name(field.number));
    }
    found = &field;
  }
  if (found == nullptr) {
    return fail_at(ErrorKind::Malformed, layer.offset(), "{}: it has no type", path);
  }
  return found;
}

/// The outputs' ranks as the file states them; a rank above five ends the list.
Result<std::vector<int>> read_stated_ranks(const ProtobufMessage& layer) {
  VP_ASSIGN_OR_RETURN(const auto tensors, layer.read_messages(layer_field::kOutputTensor));
  std::vector<int> ranks;
  for (const ProtobufMessage& tensor : tensors) {
    VP_ASSIGN_OR_RETURN(const std::uint64_t rank, tensor.read_uint(layer_field::kTensorRank));
    if (rank < 1 || rank > 5) break;
    ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

Result<void> read_layer(const ProtobufMessage& layer, const std::string& network, std::size_t index,
                        NetworkBuilder& builder) {
  Node origin;
  VP_ASSIGN_OR_RETURN(origin.name, layer.read_text(layer_field::kName));
  origin.path = fmt::format("{}.layers[{}] \"{}\"", network, index, origin.name);
  if (origin.name.empty()) origin.name = fmt::format("layers[{}]", index);
  VP_ASSIGN_OR_RETURN(const ProtobufField* type, find_layer_type(layer, origin.path));
  origin.source_type = layer_type_name(type->number);
  VP_ASSIGN_OR_RETURN(const ProtobufMessage params, layer.open(*type));
  VP_ASSIGN_OR_RETURN(const auto inputs, layer.read_texts(layer_field::kInput));
  VP_ASSIGN_OR_RETURN(auto outputs, layer.read_texts(layer_field::kOutput));
  VP_ASSIGN_OR_RETURN(const bool updatable, layer.read_bool(layer_field::kIsUpdatable));
  LayerBuilder lowered(builder, params, std::move(origin), index);
  lowered.set_blobs(inputs, std::move(outputs));
  lowered.set_updatable(updatable);
  VP_ASSIGN_OR_RETURN(auto ranks, read_stated_ranks(layer));
  lowered.set_stated_ranks(std::move(ranks));
  return lower_layer(type->number, lowered);
}

Result<CoreMlModel::Version> read_version(const ProtobufMessage& model) {
  CoreMlModel::Version version;
  const ProtobufField* field = model.find_last(model_field::kSpecificationVersion);
  if (field == nullptr) return version;
  VP_ASSIGN_OR_RETURN(version.number, model.read_uint(model_field::kSpecificationVersion));
  version.field = FileRange{field->tag_offset, field->end_offset};
  return version;
}

/// Fills the graph from the description and the network.
Result<void> read_network(const NetworkPlace& place, NetworkBuilder& builder) {
  VP_RETURN_IF_ERROR(read_inputs(place, builder));
  std::size_t index = 0;
  for (const ProtobufField& field : place.network.fields()) {
    if (field.number != network_field::kLayers) continue;
    VP_ASSIGN_OR_RETURN(const ProtobufMessage layer, place.network.open(field));
    VP_RETURN_IF_ERROR(read_layer(layer, place.name, index, builder));
    ++index;
  }
  if (index == 0) {
    return fail_at(ErrorKind::Malformed, place.network.offset(), "{}: it has no layers",
                   place.name);
  }
  VP_RETURN_IF_ERROR(read_outputs(place, builder));
  VP_RETURN_IF_ERROR(read_texts(place, builder));
  return check_graph(builder.graph);
}

}  // namespace
}  // namespace coreml

Result<std::unique_ptr<SourceModel>> read_coreml(Bytes file, const ReadOptions& options,
                                                 Diagnostics& diagnostics) {
  using namespace coreml;  // NOLINT(google-build-using-namespace): the reader is that namespace's
                           // face
  VP_ASSIGN_OR_RETURN(const ProtobufMessage model, ProtobufMessage::read_file(file));
  VP_ASSIGN_OR_RETURN(const Kind kind, find_kind(model));
  VP_ASSIGN_OR_RETURN(const CoreMlModel::Version version, read_version(model));
  if (!version.field) diagnostics.warn("the file states no specification version");
  VP_ASSIGN_OR_RETURN(const auto description, model.read_message(model_field::kDescription));
  if (!description) return fail(ErrorKind::Malformed, "the model has no description");
  VP_ASSIGN_OR_RETURN(const ProtobufMessage network, model.open(*kind.field));
  NetworkBuilder builder;
  builder.graph.format = Format::CoreMl;
  builder.graph.layout = Layout::ChannelsFirst;
  builder.graph.format_version = fmt::format("specification version {}", version.number);
  VP_RETURN_IF_ERROR(read_network({*description, network, kind.name, options.input_size}, builder));
  VP_ASSIGN_OR_RETURN(const bool updatable, model.read_bool(model_field::kIsUpdatable));
  if (updatable) {
    diagnostics.warn(
        "the model can be trained on the device; its trainable layers stay as they are");
  }
  return std::unique_ptr<SourceModel>(
      std::make_unique<CoreMlModel>(file, std::move(builder.graph), std::move(builder.slots),
                                    std::move(builder.gathered), version));
}

}  // namespace visionpress
