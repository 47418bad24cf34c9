#include "press/verify.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <string_view>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/decode.h"

namespace visionpress {
namespace {

bool same_bytes(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// Whether codes stand for the same values: they have the same scales and the same value of code 0.
/// A format may have to repeat one scale for every channel (TFLite's depthwise convolutions).
bool same_meaning(const WeightCode& written, const WeightCode& meant) {
  // Only linear codes have a sign; for floats, readers may set the flag either way.
  const bool same_sign = meant.encoding != Encoding::Linear || written.is_signed == meant.is_signed;
  if (written.encoding != meant.encoding || written.bits != meant.bits || !same_sign ||
      written.table != meant.table || written.scales.size() < meant.scales.size() ||
      written.scales.empty() != meant.scales.empty())
    return false;
  for (std::size_t i = 0; i < written.scales.size(); ++i) {
    const std::size_t entry = meant.scales.size() == 1 ? 0 : i;
    if (entry >= meant.scales.size()) return false;
    const auto zero = [](const WeightCode& code, std::size_t at) {
      const float offset = code.offsets.empty() ? 0.0F : code.offsets[at];
      const auto point = static_cast<float>(code.zero_points.empty() ? 0 : code.zero_points[at]);
      return offset - code.scales[at] * point;
    };
    if (written.scales[i] != meant.scales[entry] || zero(written, i) != zero(meant, entry))
      return false;
  }
  return true;
}

/// Compares values: a bias in halves is written as float32 if the operator of its kernel needs
/// that.
Result<bool> same_values(const WeightRef& a, const WeightRef& b) {
  if (same_bytes(a.payload, b.payload)) return true;
  if (a.shape != b.shape) return false;
  VP_ASSIGN_OR_RETURN(const std::vector<float> before, load_weight(a));
  VP_ASSIGN_OR_RETURN(const std::vector<float> after, load_weight(b));
  return before == after;
}

Result<void> compare_changed(const Weight& written, const WeightCode& meant_code,
                             const EncodedWeight& meant) {
  const WeightRef& stored = written.stored;
  if (stored.shape != meant.shape || !same_meaning(stored.code, meant_code)) {
    return fail(ErrorKind::Internal, "{}: written as {} {}, meant as {} {}", written.path,
                describe(stored.code), to_string(stored.shape), describe(meant_code),
                to_string(meant.shape));
  }
  // Codes of whole bytes are compared in place, packed ones after unpacking.
  if (stored.packing == Packing::Whole || stored.code.bits % 8 == 0) {
    if (same_bytes(stored.payload, meant.codes)) return {};
  } else {
    VP_ASSIGN_OR_RETURN(const bool same, has_codes(stored, meant.codes));
    if (same) return {};
  }
  return fail(ErrorKind::Internal, "{}: the codes read back differ from those written",
              written.path);
}

}  // namespace

Result<void> verify_written(const SourceModel& source, const RewriteOptions& rewrite,
                            const std::vector<PressedWeight>& pressed, const Graph& written) {
  const Graph& before = source.graph();
  if (written.weights.size() != before.weights.size() ||
      written.nodes.size() != before.nodes.size()) {
    return fail(ErrorKind::Internal, "written with {} layers and {} weights, meant with {} and {}",
                written.nodes.size(), written.weights.size(), before.nodes.size(),
                before.weights.size());
  }
  // Weights are found by name: a format may list them in another order once some have their own
  // table.
  std::map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < written.weights.size(); ++i) {
    by_name.emplace(written.weights[i].name, i);
  }
  for (std::size_t i = 0; i < pressed.size(); ++i) {
    const Weight& weight = before.weights[i];
    const auto found = by_name.find(weight.name);
    if (found == by_name.end()) {
      return fail(ErrorKind::Internal, "{}: missing from the written file", weight.path);
    }
    const Weight& after = written.weights[found->second];
    if (const EncodedWeight* codes = pressed[i].codes.get()) {
      VP_RETURN_IF_ERROR(
          compare_changed(after, source.stored_code(i, codes->code, rewrite), *codes));
      continue;
    }
    VP_ASSIGN_OR_RETURN(const bool same, same_values(weight.stored, after.stored));
    if (!same) {
      return fail(ErrorKind::Internal, "{}: changed, though it was to stay", weight.path);
    }
  }
  return {};
}

Result<void> verify_bytes(Bytes written, const FilePieces& meant, int threads) {
  struct Part {
    Bytes meant = {};
    std::size_t at = 0;
  };
  constexpr std::size_t kPart = std::size_t{1} << 20;  // bytes; enough for one thread
  std::vector<Part> parts;
  std::size_t at = 0;
  for (const Bytes piece : meant.pieces) {
    for (std::size_t begin = 0; begin < piece.size(); begin += kPart) {
      parts.push_back({piece.subspan(begin, std::min(kPart, piece.size() - begin)), at + begin});
    }
    at += piece.size();
  }
  std::atomic<bool> same = at == written.size();
  if (same) {
    parallel_for(parts.size(), threads, [&](std::size_t i) {
      const Part& part = parts[i];
      if (!same_bytes(written.subspan(part.at, part.meant.size()), part.meant)) same = false;
    });
  }
  if (same) return {};
  return fail(ErrorKind::Internal, "the bytes read back differ from those written");
}

}  // namespace visionpress
