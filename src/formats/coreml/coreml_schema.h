#pragma once

// Field numbers and enum values of the Core ML model specification that are read here.
// Source: apple/coremltools mlmodel/format/{Model,FeatureTypes,NeuralNetwork}.proto, as of 9.0.

#include <cstdint>

namespace visionpress::coreml {

namespace model_field {
constexpr std::uint32_t kSpecificationVersion = 1;
constexpr std::uint32_t kDescription = 2;
constexpr std::uint32_t kIsUpdatable = 10;
constexpr std::uint32_t kNeuralNetworkRegressor = 303;
constexpr std::uint32_t kNeuralNetworkClassifier = 403;
constexpr std::uint32_t kNeuralNetwork = 500;
/// The first field number of the oneof that holds the kind of model.
constexpr std::uint32_t kFirstKind = 200;
}  // namespace model_field

namespace description_field {
constexpr std::uint32_t kInput = 1;
constexpr std::uint32_t kOutput = 10;
constexpr std::uint32_t kPredictedFeatureName = 11;
constexpr std::uint32_t kPredictedProbabilitiesName = 12;
constexpr std::uint32_t kMetadata = 100;
}  // namespace description_field

namespace metadata_field {
constexpr std::uint32_t kShortDescription = 1;
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kAuthor = 3;
constexpr std::uint32_t kLicense = 4;
constexpr std::uint32_t kUserDefined = 100;
constexpr std::uint32_t kMapKey = 1;
constexpr std::uint32_t kMapValue = 2;
}  // namespace metadata_field

namespace feature_field {
constexpr std::uint32_t kName = 1;
constexpr std::uint32_t kType = 3;
constexpr std::uint32_t kImage = 4;
constexpr std::uint32_t kMultiArray = 5;
constexpr std::uint32_t kImageWidth = 1;
constexpr std::uint32_t kImageHeight = 2;
constexpr std::uint32_t kImageColorSpace = 3;
constexpr std::uint32_t kArrayShape = 1;
// These numbers are the same in ImageFeatureType and ArrayFeatureType.
constexpr std::uint32_t kEnumeratedSizes = 21;
constexpr std::uint32_t kSizeRange = 31;
constexpr std::uint64_t kGrayscale = 10;
constexpr std::uint64_t kRgb = 20;
constexpr std::uint64_t kBgr = 30;
constexpr std::uint64_t kGrayscaleFloat16 = 40;
}  // namespace feature_field

namespace network_field {
constexpr std::uint32_t kLayers = 1;
constexpr std::uint32_t kPreprocessing = 2;
constexpr std::uint32_t kArrayInputShapeMapping = 5;  ///< 0 rank 5, 1 exact
constexpr std::uint32_t kImageInputShapeMapping = 6;  ///< 0 rank 5, 1 rank 4
constexpr std::uint32_t kStringClassLabels = 100;
constexpr std::uint32_t kInt64ClassLabels = 101;
constexpr std::uint32_t kLabelVector = 1;
constexpr std::uint32_t kLabelProbabilityLayerName = 200;
}  // namespace network_field

namespace preprocessing_field {
constexpr std::uint32_t kFeatureName = 1;
constexpr std::uint32_t kScaler = 10;
constexpr std::uint32_t kMeanImage = 11;
constexpr std::uint32_t kChannelScale = 10;
constexpr std::uint32_t kBlueBias = 20;
constexpr std::uint32_t kGreenBias = 21;
constexpr std::uint32_t kRedBias = 22;
constexpr std::uint32_t kGrayBias = 30;
constexpr std::uint32_t kMeanImageValues = 1;
}  // namespace preprocessing_field

namespace layer_field {
constexpr std::uint32_t kName = 1;
constexpr std::uint32_t kInput = 2;
constexpr std::uint32_t kOutput = 3;
constexpr std::uint32_t kOutputTensor = 5;  ///< one per output, or none
constexpr std::uint32_t kTensorRank = 1;
constexpr std::uint32_t kIsUpdatable = 10;
/// The first field number of the oneof that holds a layer's type.
constexpr std::uint32_t kFirstType = 100;
}  // namespace layer_field

namespace weight_field {
constexpr std::uint32_t kFloatValue = 1;
constexpr std::uint32_t kFloat16Value = 2;
constexpr std::uint32_t kRawValue = 30;
constexpr std::uint32_t kInt8RawValue = 31;
constexpr std::uint32_t kQuantization = 40;
constexpr std::uint32_t kIsUpdatable = 50;
constexpr std::uint32_t kNumberOfBits = 1;
constexpr std::uint32_t kLinear = 101;
constexpr std::uint32_t kLinearScale = 1;
constexpr std::uint32_t kLinearBias = 2;
constexpr std::uint32_t kTable = 102;
constexpr std::uint32_t kTableValues = 1;
}  // namespace weight_field

/// Specification versions that first allow a form (Model.proto, the enum of versions).
constexpr std::uint64_t kVersionFloat16 = 2;
constexpr std::uint64_t kVersionQuantized = 3;

}  // namespace visionpress::coreml
