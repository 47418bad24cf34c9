#pragma once

// Codes of a model's weights, stored by (weight, form). A search over plans asks for the same pairs
// again and again; each is encoded only once.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/float_view.h"
#include "codecs/encode_error.h"
#include "model/form.h"
#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// One weight in one form.
struct CodedWeight {
  std::string refused = {};  ///< not empty: why the codec cannot encode the values
  std::shared_ptr<const EncodedWeight> codes = nullptr;  ///< null where refused
  EncodeError error = {};
};

/// Not for several threads at once; each encoding uses Options::threads threads. Keeps all codes
/// that it has made: about the size of the file in each requested form.
class CodeStore {
 public:
  struct Options {
    /// Linear codes: a value halfway between two codes is rounded away from zero (codecs/family.h).
    bool ties_away = false;
    int threads = 1;
  };

  /// graph: borrowed, as are the bytes that it refers to.
  CodeStore(const Graph& graph, const Options& options) : graph_(graph), options_(options) {}

  /// The codes of weight `index` in `form`; the reference is valid as long as the store.
  /// errors: Malformed where the stored weight cannot be decoded, with its path; Internal for a
  /// form that no family encodes to.
  [[nodiscard]] Result<std::reference_wrapper<const CodedWeight>> encode(std::size_t index,
                                                                         const Form& form);

  /// The values of weight `index`, in place or decoded; valid until the next call.
  /// errors: Malformed, with its path.
  [[nodiscard]] Result<FloatView> view_values(std::size_t index);

  /// Number of pairs encoded so far.
  [[nodiscard]] std::size_t encoded_count() const { return encoded_.size(); }

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] int threads() const { return options_.threads; }

 private:
  const Graph& graph_;
  Options options_;
  std::map<std::pair<std::size_t, Form>, CodedWeight> encoded_ = {};
  std::vector<float> scratch_ = {};  ///< values of one weight that is not stored as float32
};

}  // namespace visionpress
