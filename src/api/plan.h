#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codecs/scheme.h"
#include "model/source_model.h"
#include "visionpress/compress.h"
#include "visionpress/result.h"

namespace visionpress {

/// What happens to one weight: encoded, or kept for a reason.
struct PlannedWeight {
  std::string kept_because = {};  ///< empty: it is encoded
  bool is_small_already =
      false;                  ///< kept because it is stored in as few bits as asked, or in codes
  bool is_depthwise = false;  ///< the kernel of a convolution in groups
  EncodeOptions encode = {};
};

[[nodiscard]] std::uint64_t count_bytes(const FilePieces& pieces);

[[nodiscard]] RewriteOptions rewrite_options(const CompressOptions& options);

/// The size of the file that `compress` would write by this plan, by the format's own writer and
/// without encoding; nothing where the file stays as it is: where no weight is to
/// change, or it would not shrink.
/// errors: of the writer.
[[nodiscard]] Result<std::optional<std::uint64_t>> measure_plan(
    const SourceModel& model, const Scheme& scheme, const std::vector<PlannedWeight>& plan,
    std::uint64_t source_bytes);

/// One entry a weight of the graph. Reads the values: some do not fit the scheme.
/// errors: Usage when a name to keep matches no layer and no weight, with the nearest names.
[[nodiscard]] Result<std::vector<PlannedWeight>> make_plan(const SourceModel& model,
                                                           const Scheme& scheme,
                                                           const CompressOptions& options);

/// Whether `text` fits `pattern`, in which * stands for any characters and ? for one.
[[nodiscard]] bool matches_glob(std::string_view pattern, std::string_view text);

/// The names most like `name`, best first, at most `count`; none that have nothing to do with it.
[[nodiscard]] std::vector<std::string> find_nearest(std::string_view name,
                                                    const std::vector<std::string>& names,
                                                    std::size_t count);

}  // namespace visionpress
