#pragma once

// A TFLite model under construction: tensors, buffers, operators. Private to this folder.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "model/graph.h"
#include "model/source_model.h"
#include "tflite_schema_generated.h"
#include "visionpress/result.h"

namespace visionpress::tflite {

/// An operator's options: a table in the model's own builder, and its type.
struct NewOptions {
  tfl::BuiltinOptions type = tfl::BuiltinOptions::NONE;
  flatbuffers::Offset<void> table = {};
};

/// Index of a tensor in the new file.
using FileTensor = std::int32_t;

class NewModel {
 public:
  explicit NewModel(const Graph& graph)
      : graph_(graph), file_tensors_(graph.tensors.size(), kAbsent) {}
  NewModel(const NewModel&) = delete;
  NewModel& operator=(const NewModel&) = delete;

  static constexpr FileTensor kAbsent = -1;

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] flatbuffers::FlatBufferBuilder& builder() { return builder_; }

  /// The file's tensor for a tensor of the graph; made at the first call.
  FileTensor file_tensor(TensorId id);
  /// The sizes of a graph tensor, with an open batch as 1.
  [[nodiscard]] Shape sizes_of(TensorId id) const;
  [[nodiscard]] tfl::TensorType type_of(TensorId id) const;

  /// Adds an int32 constant; equal constants share one tensor.
  FileTensor add_integers(const std::vector<std::int64_t>& values, const Shape& shape);
  /// Adds a float32 scalar; equal scalars share one tensor.
  FileTensor add_scalar(float value);
  /// Adds a float32 constant of zeros with shape [count].
  FileTensor add_zeros(std::size_t count);
  /// Adds a tensor for a value between two operators that implement one node.
  FileTensor add_value(const std::string& name, const Shape& shape, tfl::TensorType type);

  void add_operator(tfl::BuiltinOperator code, int version, const std::vector<FileTensor>& inputs,
                    const std::vector<FileTensor>& outputs, const NewOptions& options = {});

  /// Returns the file as pieces, in which weights are borrowed from the graph. Must be the last
  /// call.
  [[nodiscard]] Result<FilePieces> finish();

 private:
  struct BuiltTensor {
    std::string name = {};
    Shape shape = {};
    bool open_batch = false;
    tfl::TensorType type = tfl::TensorType::FLOAT32;
    std::size_t buffer = 0;
  };
  FileTensor add_tensor(BuiltTensor tensor);
  FileTensor add_constant(const std::string& name, tfl::TensorType type, const Shape& shape,
                          ByteBuffer bytes);
  std::size_t add_buffer(Bytes payload);
  void build_runtime_version();
  flatbuffers::Offset<tfl::SubGraph> build_subgraph();
  flatbuffers::Offset<tfl::SignatureDef> build_signature();
  [[nodiscard]] Result<FilePieces> lay_out();

  const Graph& graph_;
  flatbuffers::FlatBufferBuilder builder_{1U << 16U};
  std::vector<FileTensor> file_tensors_;  ///< by TensorId
  std::vector<BuiltTensor> tensors_ = {};
  std::vector<Bytes> buffers_ = {Bytes{}};  ///< the format requires an empty first buffer
  std::deque<ByteBuffer> own_bytes_ = {};
  std::map<std::pair<std::string, ByteBuffer>, FileTensor> constants_ = {};
  std::vector<flatbuffers::Offset<tfl::Operator>> operators_ = {};
  std::vector<std::pair<tfl::BuiltinOperator, int>> codes_ = {};
};

}  // namespace visionpress::tflite
