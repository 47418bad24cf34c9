#pragma once

// Reads everything but the layers: the model's inputs, outputs, preprocessing, labels and metadata.

#include <array>
#include <optional>

#include "formats/coreml/coreml_builder.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::coreml {

/// The two messages that this file reads.
struct NetworkPlace {
  const ProtobufMessage& description;  ///< ModelDescription
  const ProtobufMessage& network;      ///< NeuralNetwork, -Classifier or -Regressor
  std::string name = {};               ///< "neuralNetworkClassifier"
  /// The requested height and width; used if the file allows them for its input.
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;
};

/// Adds the graph's inputs (the image first), InputInfo and the preprocessing nodes.
[[nodiscard]] Result<void> read_inputs(const NetworkPlace& place, NetworkBuilder& builder);
/// Adds the graph's outputs. Call it after the layers are read.
[[nodiscard]] Result<void> read_outputs(const NetworkPlace& place, NetworkBuilder& builder);
/// Adds labels, metadata and producer.
[[nodiscard]] Result<void> read_texts(const NetworkPlace& place, NetworkBuilder& builder);

}  // namespace visionpress::coreml
