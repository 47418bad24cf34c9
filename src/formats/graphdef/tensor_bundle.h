#pragma once

// The variables of a SavedModel or a TensorFlow checkpoint of version 2.
//
// The layout accepted: PREFIX.index is a table of sorted keys (LevelDB's format: blocks whose keys
// share prefixes, an index block, a footer of 48 bytes); key "" is a BundleHeaderProto, every other
// a BundleEntryProto, which names a range of PREFIX.data-SHARD-of-SHARDS.
// source: tensorflow/core/protobuf/tensor_bundle.proto, tensorflow/core/util/tensor_bundle,
// google/leveldb doc/table_format.md.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "formats/graphdef/graphdef_schema.h"
#include "model/tensor.h"
#include "package/file_set.h"
#include "visionpress/result.h"

namespace visionpress::graphdef {

/// One entry. The payload of a string tensor is not an array of elements.
struct BundleTensor {
  DataType dtype = DataType::Invalid;
  Shape shape = {};
  Bytes payload = {};          ///< borrowed from the bundle
  std::uint32_t checksum = 0;  ///< masked CRC-32C of the payload
  bool is_in_slices = false;   ///< a partitioned variable, whose parts are other entries
};

/// One file that holds values.
struct Shard {
  std::string path = {};  ///< for messages
  FileContent content = {};
};

class TensorBundle {
 public:
  /// prefix: the name of the index file in `files`, without ".index".
  /// errors: Io; Malformed with the file's name and offset; Unsupported for compressed blocks and
  /// files of big-endian machines.
  [[nodiscard]] static Result<TensorBundle> open(const FileSet& files, const std::string& prefix);

  /// Returns the entry with that key, or null.
  [[nodiscard]] const BundleTensor* find(std::string_view key) const;
  [[nodiscard]] std::size_t size() const { return tensors_.size(); }

 private:
  Result<void> read(const FileSet& files, const std::string& prefix, Bytes index);
  Result<void> add_shards(const FileSet& files, const std::string& prefix, std::uint64_t count);

  std::vector<Shard> shards_ = {};
  std::map<std::string, BundleTensor, std::less<>> tensors_ = {};
};

/// The text of a string scalar, whose payload is the text's length, a checksum of that length, and
/// the text.
/// errors: Malformed for any other payload.
[[nodiscard]] Result<Bytes> view_text_scalar(const BundleTensor& tensor);

/// Verifies the payload's checksum. errors: Malformed if the payload differs from what was written.
[[nodiscard]] Result<void> check_payload(const BundleTensor& tensor);

}  // namespace visionpress::graphdef
