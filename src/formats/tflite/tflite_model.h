#pragma once

// One opened TFLite file: what its reader found and its writer needs. Private to this folder.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "formats/tflite/tflite_archive.h"
#include "model/source_model.h"
#include "tflite_schema_generated.h"

namespace visionpress {

/// One use of a weight: input `slot` of operator `operator_index` of subgraph 0.
struct TfliteUse {
  std::size_t operator_index = 0;
  std::size_t slot = 0;
};

/// Where a weight of the Graph lies in the file.
struct TflitePlace {
  std::size_t tensor_index = 0;  ///< of the stored tensor, in subgraph 0
  std::vector<TfliteUse> direct =
      {};  ///< operators that read the stored tensor, DEQUANTIZE left out
  /// A DEQUANTIZE that reads the stored tensor, and the users of its output.
  struct Dequantize {
    std::size_t operator_index = 0;
    std::size_t output_tensor = 0;
    std::vector<TfliteUse> uses = {};
    bool is_output = false;  ///< the model gives the decoded tensor out
  };
  std::vector<Dequantize> dequantizes = {};
};

class TfliteModel final : public SourceModel {
 public:
  TfliteModel(Bytes file_bytes, const tfl::Model& model_root)
      : file(file_bytes), root(model_root) {}

  [[nodiscard]] const Graph& graph() const override { return graph_; }
  [[nodiscard]] Result<void> check_rewritable() const override;
  [[nodiscard]] FormRules rules(const Form& form) const override;
  [[nodiscard]] Form adapt(std::size_t index, const Form& wish) const override;
  [[nodiscard]] std::string why_not(std::size_t index, const Form& form,
                                    const RewriteOptions& options) const override;
  [[nodiscard]] std::uint64_t estimate_overhead(std::size_t weight_index, const WeightCode& code,
                                                const RewriteOptions& options) const override;
  [[nodiscard]] Result<FilePieces> rewrite(std::span<const WeightEdit> edits,
                                           const RewriteOptions& options) const override;

  Bytes file;              ///< the whole file, borrowed
  const tfl::Model& root;  ///< verified, inside `file`
  Graph graph_ = {};
  std::vector<TflitePlace> places = {};  ///< one an entry of graph_.weights
  std::optional<AppendedArchive> archive = std::nullopt;
};

/// A buffer's bytes, in the flatbuffer or, for models above 2 GB, outside of it. The reader has
/// checked that they lie inside the file.
[[nodiscard]] Bytes view_payload(Bytes file, const tfl::Buffer& buffer);

/// A custom operator's options, likewise.
[[nodiscard]] Bytes view_options(Bytes file, const tfl::Operator& operation);

/// The operator's number: the larger of the byte that old files have and the field that new ones
/// have.
[[nodiscard]] tfl::BuiltinOperator builtin_code(const tfl::OperatorCode& code);

/// Elements of a flatbuffers vector that may be absent.
template <typename T>
[[nodiscard]] std::size_t size_of(const flatbuffers::Vector<T>* vector) {
  return vector == nullptr ? 0 : vector->size();
}

/// Element `index` of a vector of tables. The caller has checked that it is inside.
template <typename T>
[[nodiscard]] const T& at_index(const flatbuffers::Vector<flatbuffers::Offset<T>>& vector,
                                std::size_t index) {
  return *vector.Get(static_cast<flatbuffers::uoffset_t>(index));
}

/// What a flatbuffers vector of bytes or numbers holds; empty when it is absent.
template <typename T>
[[nodiscard]] Bytes view_vector(const flatbuffers::Vector<T>* vector) {
  if (vector == nullptr) return {};
  return std::as_bytes(std::span(vector->Data(), vector->size() * sizeof(T)));
}

}  // namespace visionpress
