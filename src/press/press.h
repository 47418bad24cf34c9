#pragma once

// A plan becomes codes, and codes a file.

#include <cstdint>
#include <memory>
#include <vector>

#include "model/source_model.h"
#include "press/code_store.h"
#include "press/plan.h"
#include "visionpress/result.h"
#include "visionpress/weight_row.h"

namespace visionpress {

/// A weight after the press: its row of the result and, where it changes, its codes.
struct PressedWeight {
  WeightRow row = {};
  std::shared_ptr<const EncodedWeight> codes = nullptr;  ///< null: it stays as it is
};

/// Takes from the store what the plan asks for, and measures what it loses. A weight that a codec
/// cannot take stays as it is.
/// plan: of the store's graph.  returns: one entry per weight.
/// errors: Malformed where a stored weight cannot be decoded, with its path.
[[nodiscard]] Result<std::vector<PressedWeight>> encode_plan(const Plan& plan, CodeStore& store);

/// The edits of a rewrite; borrows from `pressed`.
[[nodiscard]] std::vector<WeightEdit> list_edits(const std::vector<PressedWeight>& pressed);

[[nodiscard]] std::uint64_t count_bytes(const FilePieces& file);
/// The bytes of the file in one piece.
[[nodiscard]] ByteBuffer join(const FilePieces& file);

/// The bytes of the new file, if it is smaller: a file that would grow stays as it is, since what
/// little its weights lose takes more room around them. All of `pressed` then says so.
/// source: the bytes that the model was read from; they are the result where nothing changes, since
/// a format's writer may keep the meaning and not the bytes.
/// errors: of the writer.
[[nodiscard]] Result<FilePieces> rewrite_smaller(const SourceModel& model, Bytes source,
                                                 const RewriteOptions& rewrite,
                                                 std::vector<PressedWeight>& pressed);

}  // namespace visionpress
