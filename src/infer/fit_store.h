#pragma once

// What a `fit` has measured, in a folder, so that an interrupted run goes on where it was.
//
//   fit.json            {"key": what was asked, "sensitivity": [...], "candidates": [...]}
//   candidate-N.EXT     the files that were written

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "visionpress/fit.h"
#include "visionpress/result.h"
#include "visionpress/sensitivity.h"

namespace visionpress {

/// A measured candidate with its choices by name, one per weight of the search.
struct StoredCandidate {
  std::vector<std::string> choices = {};
  std::string file = {};  ///< name in the folder
  FitCandidate measured = {};
};

class FitStore {
 public:
  /// Opens or makes the folder. What another key measured is forgotten.
  /// key: everything that decides what a candidate comes to.  errors: Output, also for a folder
  /// that holds other things, and while another run has it locked.
  [[nodiscard]] static Result<FitStore> open(const std::string& folder,
                                             const nlohmann::ordered_json& key);

  /// Empty where nothing is stored yet.
  [[nodiscard]] std::vector<WeightChange> sensitivity() const;
  [[nodiscard]] Result<void> save_sensitivity(const std::vector<WeightChange>& weights);
  /// returns: nothing where the choices have not been measured, or their file has changed since.
  [[nodiscard]] std::optional<StoredCandidate> find(const std::vector<std::string>& choices) const;
  [[nodiscard]] Result<void> save(const StoredCandidate& candidate);
  /// A path in the folder for a new candidate. extension: ".mlmodel"
  [[nodiscard]] std::string new_path(const std::string& extension) const;
  [[nodiscard]] std::string path_of(const StoredCandidate& candidate) const;
  /// Removes what `open` and `save` made. Errors are ignored: the result has its place elsewhere.
  void remove();

 private:
  [[nodiscard]] Result<void> write() const;

  std::string folder_ = {};
  nlohmann::ordered_json json_ = {};
  Descriptor lock_{};
};

/// The weights of the reports that `sensitivity --json` wrote: one of all weights, or one of each
/// shard in any order. sha1: of the model; a report of another one is refused.
/// errors: Io; Malformed, naming the file, also for shards that are missing, there twice, or of
/// other runs.
[[nodiscard]] Result<std::vector<WeightChange>> read_sensitivity(
    const std::vector<std::string>& paths, const std::string& sha1);

}  // namespace visionpress
