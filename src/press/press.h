#pragma once

// Turns a plan into codes, and codes into a file.

#include <cstdint>
#include <memory>
#include <vector>

#include "model/source_model.h"
#include "press/code_store.h"
#include "press/plan.h"
#include "visionpress/result.h"
#include "visionpress/weight_row.h"

namespace visionpress {

/// A weight after pressing: its row in the result and, if it changes, its codes.
struct PressedWeight {
  WeightRow row = {};
  std::shared_ptr<const EncodedWeight> codes = nullptr;  ///< null: it stays as it is
};

/// Takes the planned codes from the store and measures their loss. A weight that a codec cannot
/// encode stays as it is.
/// plan: of the store's graph.  returns: one entry per weight.
/// errors: Malformed where a stored weight cannot be decoded, with its path.
[[nodiscard]] Result<std::vector<PressedWeight>> encode_plan(const Plan& plan, CodeStore& store);

/// Lists the edits for a rewrite; borrows from `pressed`.
[[nodiscard]] std::vector<WeightEdit> list_edits(const std::vector<PressedWeight>& pressed);

[[nodiscard]] std::uint64_t count_bytes(const FilePieces& file);
/// The bytes of the file in one piece.
[[nodiscard]] ByteBuffer join(const FilePieces& file);

/// The bytes of the new file, if it is smaller. A file that would grow stays as it is, and every
/// row of `pressed` then says so: the format stores more around the codes than they save.
/// source: the bytes that the model was read from. They are the result if nothing changes, since a
/// format's writer may keep the meaning but not the bytes.
/// errors: of the writer.
[[nodiscard]] Result<FilePieces> rewrite_smaller(const SourceModel& model, Bytes source,
                                                 const RewriteOptions& rewrite,
                                                 std::vector<PressedWeight>& pressed);

}  // namespace visionpress
