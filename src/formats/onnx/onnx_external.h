#pragma once

// Values that lie in other files of the model's folder.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "formats/model_files.h"
#include "package/file_set.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::onnx {

/// Opens the external files that tensors name, each once. Owns their bytes. Names are relative to
/// the model's file; those that lead out of its folder are refused, by ".." and by links alike.
class ExternalFiles {
 public:
  /// A model without files beside it, such as bytes in memory: every external tensor is an error.
  ExternalFiles() = default;
  /// model: copied as far as it is needed; its bytes are not.
  explicit ExternalFiles(const ModelFiles& model);

  /// The bytes of an external tensor.  tensor: a TensorProto with external_data; path: the start of
  /// each message; bytes: what its shape needs.
  /// errors: Io where the file does not exist; Malformed where it is too short, lies outside the
  /// folder, or `length` differs from `bytes`.
  [[nodiscard]] Result<Bytes> read(const ProtobufMessage& tensor, const std::string& path,
                                   std::uint64_t bytes);

  /// The names of the files that were read, relative to the model's folder.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool empty() const { return files_.empty(); }

 private:
  Result<const FileContent*> open(const std::string& location, const std::string& path);

  std::optional<FileSet> set_ = std::nullopt;
  std::string folder_ = {};  ///< of the model inside the set, with the slash
  std::map<std::string, FileContent> files_ = {};
};

}  // namespace visionpress::onnx
