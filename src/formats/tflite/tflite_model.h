#pragma once

// One opened TFLite file, with the information that its reader passes to its writer. Private to
// this folder.

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

/// The place of a weight of the Graph in the file.
struct TflitePlace {
  std::size_t tensor_index = 0;        ///< index of the stored tensor in subgraph 0
  std::vector<TfliteUse> direct = {};  ///< operators that read the stored tensor, except DEQUANTIZE
  /// A DEQUANTIZE that reads the stored tensor, and the users of its output.
  struct Dequantize {
    std::size_t operator_index = 0;
    std::size_t output_tensor = 0;
    std::vector<TfliteUse> uses = {};
    bool is_output = false;  ///< the decoded tensor is an output of the model
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
  [[nodiscard]] WeightCode stored_code(std::size_t index, const WeightCode& code,
                                       const RewriteOptions& options) const override;
  [[nodiscard]] std::uint64_t estimate_overhead(std::size_t weight_index, const WeightCode& code,
                                                const RewriteOptions& options) const override;
  [[nodiscard]] Result<FilePieces> rewrite(std::span<const WeightEdit> edits,
                                           const RewriteOptions& options) const override;
  [[nodiscard]] RuntimeReport judge_runtimes() const override;

  Bytes file;              ///< the whole file, borrowed
  const tfl::Model& root;  ///< verified, inside `file`
  Graph graph_ = {};
  std::vector<TflitePlace> places = {};  ///< one per entry of graph_.weights
  std::optional<AppendedArchive> archive = std::nullopt;
};

/// A buffer's bytes, which lie in the flatbuffer or, for models above 2 GB, after it. The reader
/// has checked that they lie inside the file.
[[nodiscard]] Bytes view_payload(Bytes file, const tfl::Buffer& buffer);

/// The bytes of a custom operator's options, found in the same way.
[[nodiscard]] Bytes view_options(Bytes file, const tfl::Operator& operation);

/// The operator's code: old files store it in a byte, new files in a wider field; the larger value
/// is the code.
[[nodiscard]] tfl::BuiltinOperator builtin_code(const tfl::OperatorCode& code);

/// Number of elements in a flatbuffers vector; 0 if it is absent.
template <typename T>
[[nodiscard]] std::size_t size_of(const flatbuffers::Vector<T>* vector) {
  return vector == nullptr ? 0 : vector->size();
}

/// Element `index` of a vector of tables. The caller must have checked the index.
template <typename T>
[[nodiscard]] const T& at_index(const flatbuffers::Vector<flatbuffers::Offset<T>>& vector,
                                std::size_t index) {
  return *vector.Get(static_cast<flatbuffers::uoffset_t>(index));
}

/// The contents of a flatbuffers vector of bytes or numbers; empty if it is absent.
template <typename T>
[[nodiscard]] Bytes view_vector(const flatbuffers::Vector<T>* vector) {
  if (vector == nullptr) return {};
  return std::as_bytes(std::span(vector->Data(), vector->size() * sizeof(T)));
}

}  // namespace visionpress
