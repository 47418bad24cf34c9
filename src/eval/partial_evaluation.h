#pragma once

// One part of an evaluation as a file, and the whole of it from the files of all parts. The figures
// of the whole are those of one run, to the last bit.
//
//   {"format": "visionpress partial evaluation", "version": 1, "visionpress": program,
//    "shard": {"index", "count"}, "options": {...},
//    "data": {"path", "annotations_sha1", "pictures_sha1", "images": of the whole set, ...},
//    "warnings": of loading the data,
//    "models": [{"file", "bytes", "sha1", ..., "warnings"}],
//    "images": [{"index": in the whole set, ..., "truths", "answers": one list per model}],
//    "bad": [{"index": into "images", "kind", "message", "file", "offset"}]}
//
// Numbers read back to the same bits.

#include <cstddef>
#include <string>
#include <vector>

#include "base/output_file.h"
#include "eval/bad_images.h"
#include "eval/column.h"
#include "eval/dataset.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// A data set by its content, wherever it lies.
struct DataIdentity {
  std::string annotations_sha1 = {};  ///< empty: a folder
  std::string pictures_sha1 = {};     ///< of the names and sizes of all its pictures
  std::string labels_sha1 = {};       ///< of the label file that was asked for; empty: none
};

struct PartialColumn {
  Column column = {};                      ///< over the part's images, not yet made comparable
  std::string sha1 = {};                   ///< of its file
  std::vector<std::string> warnings = {};  ///< of opening and running it
};

struct PartialEvaluation {
  std::string program = {};  ///< the version that made it
  Shard shard = {};
  EvaluateOptions options = {};
  DataIdentity identity = {};
  std::size_t image_count = 0;  ///< of the whole data set
  Dataset dataset = {};         ///< the part's images; everything else is of the whole data set
  BadImages bad = {};
  std::vector<std::string> warnings = {};  ///< of loading the data set
  std::vector<PartialColumn> columns = {};
};

/// errors: Io, naming the file.
[[nodiscard]] Result<DataIdentity> identify_data(const Dataset& whole,
                                                 const EvaluateOptions& options);

/// Checks 1 <= index <= count <= images. errors: Usage.
[[nodiscard]] Result<void> check_shard(const Shard& shard, std::size_t image_count);

/// The images at shard.index - 1 and every shard.count-th after it, so that every part has some of
/// each tag of a sorted folder.
[[nodiscard]] Dataset pick_shard(const Dataset& whole, const Shard& shard);
/// The same for answers over the whole data set.
[[nodiscard]] Predictions pick_shard(const Predictions& whole, const Shard& shard);

/// Writes the file whole or not at all. errors: Output.
[[nodiscard]] Result<void> save_partial(const PartialEvaluation& partial, const std::string& path,
                                        Overwrite overwrite);

/// errors: Io; Malformed for a file that is none, or that another version of the program wrote.
[[nodiscard]] Result<PartialEvaluation> load_partial(const std::string& path);

/// Puts the parts of one evaluation together and scores them. paths: in any order. threads: of the
/// bootstrap. program: this version.
/// errors: those of load_partial; Usage, each naming the file, for a part of another evaluation
/// (other files, data set, options or version) and for one that is missing or there twice.
[[nodiscard]] Result<EvaluateResult> merge_partials(const std::vector<std::string>& paths,
                                                    const std::string& program, int threads);

}  // namespace visionpress
