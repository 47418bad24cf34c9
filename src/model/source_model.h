#pragma once

// The interface of a format to the rest of the program: a graph to read and a way to rewrite the
// file.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "model/form.h"
#include "model/graph.h"
#include "visionpress/result.h"
#include "visionpress/runtimes.h"

namespace visionpress {

/// A format's conditions on all weights that take one form.
struct FormRules {
  /// The weights of a layer take the form together or not at all (Core ML: kernel and bias have the
  /// same floating type).
  bool whole_layers = false;
  /// Weights of fewer elements stay: the format stores more around them than they would save.
  std::size_t least_elements = 0;
};

/// How an 8-bit kernel is stored in formats that have more than one way.
enum class IntegerForm {
  DynamicRange,  ///< TFLite "hybrid": int8 kernel, activations quantized at run time
  WeightOnly,    ///< int8 + DEQUANTIZE: float arithmetic
  /// TFLite as TensorFlow 1.12 wrote it: signed bytes with one scale in tensors typed UINT8,
  /// operator versions stay at 1.
  TensorFlow112,
};

struct RewriteOptions {
  IntegerForm integer_form = IntegerForm::DynamicRange;
  /// TFLite: kernels of at most 4 bits are stored as INT4, two codes per byte, where the runtime's
  /// kernels take them; false: every code takes a byte.
  bool packs_codes = false;
};

/// The bytes of a new file, as pieces of the source and of new storage, in order.
struct FilePieces {
  std::vector<Bytes> pieces = {};  ///< borrowed from the source, from edits, and from `owned`
  /// Pieces stay valid while this vector grows: moved buffers keep their bytes.
  std::vector<ByteBuffer> owned = {};
  /// What the reader of the report should know: the file needs a newer runtime.
  std::vector<std::string> notes = {};
};

/// One opened model file. Borrows the mapped bytes it was read from.
class SourceModel {
 public:
  SourceModel() = default;
  SourceModel(const SourceModel&) = delete;
  SourceModel& operator=(const SourceModel&) = delete;
  virtual ~SourceModel() = default;

  [[nodiscard]] virtual const Graph& graph() const = 0;
  /// Checks that weights of this file can be replaced.  errors: Unsupported, saying why none can.
  [[nodiscard]] virtual Result<void> check_rewritable() const { return {}; }
  [[nodiscard]] virtual FormRules rules(const Form& /*form*/) const { return {}; }
  /// The form that this file gives weight `index` when `wish` is requested: the file decides the
  /// sign of the codes, and gives one scale where it has room for only one.
  [[nodiscard]] virtual Form adapt(std::size_t index, const Form& wish) const = 0;
  /// Why this file cannot hold weight `index` in `form`, an answer of `adapt`; empty: it can.
  /// Called before any encoding: `rewrite` never refuses an edit for a form that was accepted here.
  [[nodiscard]] virtual std::string why_not(std::size_t index, const Form& form,
                                            const RewriteOptions& options) const = 0;
  /// The code that a reader finds in the new file after weight `index` was replaced by `code`.
  /// Formats that store a scale in another way (GraphDef: as the ends of a range) return the scale
  /// with their rounding, formats that have room for other bits return those bits.
  [[nodiscard]] virtual WeightCode stored_code(std::size_t /*index*/, const WeightCode& code,
                                               const RewriteOptions& /*options*/) const {
    return code;
  }
  /// Bytes that the file gains around a weight of this code, without its scales and codes. They
  /// decide whether the code saves space. An estimate, not exact.
  [[nodiscard]] virtual std::uint64_t estimate_overhead(std::size_t /*weight_index*/,
                                                        const WeightCode& /*code*/,
                                                        const RewriteOptions& /*options*/) const {
    return 0;
  }
  /// The file with these weights replaced and nothing else changed; no edits: the same file
  /// (protobuf: the same bytes; flatbuffers: the same structure). Pieces borrow from the mapped
  /// source, from the edits' codes and from the result itself.
  /// errors: InvalidArgument when the file cannot hold an edit, Unsupported when the file has
  /// a part that cannot be carried over, with its path.
  [[nodiscard]] virtual Result<FilePieces> rewrite(std::span<const WeightEdit> edits,
                                                   const RewriteOptions& options) const = 0;
  /// Which runtimes take the file, operator by operator; without the file's name. No runtimes: the
  /// format has no rules yet.
  [[nodiscard]] virtual RuntimeReport judge_runtimes() const { return {}; }
};

}  // namespace visionpress
