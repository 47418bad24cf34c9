#include "codecs/palette.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/encode_error.h"
#include "codecs/linear_grid.h"
#include "codecs/palette_fit.h"
#include "kernels/weight_codes.h"

namespace visionpress {
namespace {

// Options.

std::size_t count_entries(int bits) { return std::size_t{1} << static_cast<unsigned>(bits); }

Result<void> check_form(const Form& form) {
  if (form.encoding == Encoding::Table && form.bits >= 1 && form.bits <= 8) return {};
  return fail(ErrorKind::InvalidArgument, "palettes have 1..8 bits, not those of {}",
              name_of(form));
}

// Encode.

constexpr std::size_t kHalves = 0x10000;
/// Counts of a weight's parts are kept apart while threads make them; each takes a megabyte.
constexpr std::size_t kMostParts = 8;

/// The place of a half in ascending order of values; -0 stands beside 0.
constexpr std::size_t order_of(std::uint16_t half) {
  return (half & 0x8000U) != 0 ? 0xffffU - half : half | 0x8000U;
}

/// Values that round to one half, by their order.
using HalfCounts = std::vector<PalettePoint>;

/// The weight's values as halves. They are scaled by a power of two first, so that the largest
/// magnitude is in [1, 2) and neither large nor small weights lose more than others.
class HalfValues {
 public:
  HalfValues(FloatView weights, const ValueRange& range, int threads)
      : weights_(weights), halves_(weights.size() * sizeof(std::uint16_t)), threads_(threads) {
    const double largest =
        std::max(-static_cast<double>(range.min), static_cast<double>(range.max));
    if (largest > 0.0) scale_ = std::ldexp(1.0, -std::ilogb(largest));
    part_size_ = std::max(kSumPiece, (weights.size() + kMostParts - 1) / kMostParts);
  }

  /// Rounds all values and sums them up by half.
  [[nodiscard]] HalfCounts count() {
    std::vector<HalfCounts> parts(count_parts());
    parallel_for(parts.size(), threads_, [&](std::size_t i) {
      parts[i].resize(kHalves);
      count_part(i * part_size_, std::min(weights_.size(), (i + 1) * part_size_), parts[i]);
    });
    HalfCounts all = parts.empty() ? HalfCounts(kHalves) : std::move(parts[0]);
    for (std::size_t i = 1; i < parts.size(); ++i) {
      for (std::size_t half = 0; half < kHalves; ++half) {
        all[half].weight += parts[i][half].weight;
        all[half].sum += parts[i][half].sum;
      }
    }
    return all;
  }

  /// After `count`: replaces each half by its code.
  void look_up(const std::vector<std::byte>& code_of_order, MutableBytes codes) const {
    parallel_for(count_parts(), threads_, [&](std::size_t part) {
      const std::size_t end = std::min(weights_.size(), (part + 1) * part_size_);
      for (std::size_t i = part * part_size_; i < end; ++i) {
        codes[i] = code_of_order[order_of(load_le<std::uint16_t>(Bytes(halves_), 2 * i))];
      }
    });
  }

 private:
  [[nodiscard]] std::size_t count_parts() const {
    return (weights_.size() + part_size_ - 1) / part_size_;
  }

  void count_part(std::size_t begin, std::size_t end, HalfCounts& counts) {
    std::array<float, 4096> scaled;  // uninitialised: written before it is read
    for (std::size_t at = begin; at < end; at += scaled.size()) {
      const std::size_t size = std::min(scaled.size(), end - at);
      for (std::size_t i = 0; i < size; ++i) {
        scaled[i] = static_cast<float>(static_cast<double>(weights_[at + i]) * scale_);
      }
      const MutableBytes out = MutableBytes(halves_).subspan(2 * at, 2 * size);
      (void)encode_halves(std::span(scaled).first(size), out);
      for (std::size_t i = 0; i < size; ++i) {
        PalettePoint& point = counts[order_of(load_le<std::uint16_t>(Bytes(out), 2 * i))];
        point.weight += 1.0;
        point.sum += static_cast<double>(weights_[at + i]);
      }
    }
  }

  FloatView weights_;
  ByteBuffer halves_;
  int threads_;
  double scale_ = 1.0;
  std::size_t part_size_ = 1;
};

/// The distinct values in ascending order; nothing where they are more than `most`. -0 is 0.
std::optional<std::vector<float>> find_distinct(FloatView weights, std::size_t most) {
  std::unordered_set<float> seen;
  float last = 0.0F;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float value = weights[i] + 0.0F;
    if (i > 0 && value == last) continue;
    last = value;
    if (seen.insert(value).second && seen.size() > most) return std::nullopt;
  }
  std::vector<float> values(seen.begin(), seen.end());
  std::ranges::sort(values);
  return values;
}

/// A table of the values themselves, filled up with the largest.
void encode_distinct(FloatView weights, const std::vector<float>& distinct,
                     EncodedWeight& encoded) {
  std::vector<float>& table = encoded.code.table;
  std::ranges::fill(table, distinct.empty() ? 0.0F : distinct.back());
  std::ranges::copy(distinct, table.begin());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto found = std::ranges::lower_bound(distinct, weights[i]);
    encoded.codes[i] = static_cast<std::byte>(found - distinct.begin());
  }
}

/// A table of the means of the best runs of values.
void encode_clusters(FloatView weights, const ValueRange& range, int threads,
                     EncodedWeight& encoded) {
  HalfValues halves(weights, range, threads);
  HalfCounts counts = halves.count();
  // -0 and 0 are one value.
  constexpr std::size_t kMinusZero = order_of(0x8000);
  constexpr std::size_t kZero = order_of(0);
  counts[kZero].weight += counts[kMinusZero].weight;
  counts[kZero].sum += counts[kMinusZero].sum;
  counts[kMinusZero] = {};
  std::vector<PalettePoint> points;
  for (const PalettePoint& count : counts) {
    if (count.weight > 0.0) points.push_back(count);
  }
  std::vector<float>& table = encoded.code.table;
  const std::size_t runs = std::min(table.size(), points.size());
  const std::vector<std::size_t> ends = divide_points(points, runs, threads);
  std::vector<std::byte> code_of_order(kHalves, std::byte{0});
  std::size_t point = 0;
  std::size_t run = 0;
  PalettePoint sums;
  for (std::size_t order = 0; order < kHalves; ++order) {
    if (!(counts[order].weight > 0.0)) continue;
    code_of_order[order] = static_cast<std::byte>(run);
    sums.weight += counts[order].weight;
    sums.sum += counts[order].sum;
    if (++point < ends[run]) continue;
    table[run++] = static_cast<float>(sums.sum / sums.weight);
    sums = {};
  }
  code_of_order[kMinusZero] = code_of_order[kZero];
  std::fill(table.begin() + static_cast<std::ptrdiff_t>(runs), table.end(), table[runs - 1]);
  halves.look_up(code_of_order, encoded.codes);
}

/// The loss of the codes, piece by piece.
EncodeError measure_codes(FloatView weights, const EncodedWeight& encoded, int threads) {
  std::vector<ErrorSums> pieces((weights.size() + kSumPiece - 1) / kSumPiece);
  parallel_for(pieces.size(), threads, [&](std::size_t i) {
    std::array<float, 4096> decoded;  // uninitialised: written before it is read
    const std::size_t end = std::min(weights.size(), (i + 1) * kSumPiece);
    for (std::size_t at = i * kSumPiece; at < end; at += decoded.size()) {
      const std::size_t size = std::min(decoded.size(), end - at);
      const std::span<float> out = std::span(decoded).first(size);
      decode_palette_part(encoded.code, Bytes(encoded.codes).subspan(at, size), out);
      pieces[i].add(compare_values(weights.subview(at, size), out));
    }
  });
  ErrorSums sums;
  for (const ErrorSums& piece : pieces) sums.add(piece);
  return make_encode_error(sums, 0.0);
}

Result<EncodedWeight> encode_to_palette(FloatView weights, const Shape& shape, const Form& form,
                                        const EncodeOptions& options) {
  VP_RETURN_IF_ERROR(check_form(form));
  VP_ASSIGN_OR_RETURN(const std::size_t count, check_encode_input(weights, shape));
  const ValueRange range = find_whole_range(weights, options.threads);
  if (!range.finite) return fail_not_finite(weights);
  EncodedWeight encoded;
  encoded.shape = shape;
  encoded.code.encoding = Encoding::Table;
  encoded.code.bits = form.bits;
  encoded.code.table.resize(count_entries(form.bits));
  encoded.codes = ByteBuffer(count);
  if (const auto distinct = find_distinct(weights, encoded.code.table.size())) {
    encode_distinct(weights, *distinct, encoded);
  } else {
    encode_clusters(weights, range, options.threads, encoded);
  }
  if (options.error != nullptr) *options.error = measure_codes(weights, encoded, options.threads);
  return encoded;
}

}  // namespace

// Decode.

Result<void> check_palette(const WeightCode& code) {
  const std::size_t entries = count_entries(code.bits);
  if (code.table.size() == entries) return {};
  return fail(ErrorKind::Malformed, "table has {} entries, {} bits need {}", code.table.size(),
              code.bits, entries);
}

void decode_palette_part(const WeightCode& code, Bytes codes, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = code.table[std::to_integer<std::size_t>(codes[i])];
  }
}

Family palette_family() {
  const auto table = [](int bits, std::string_view help) {
    return OfferedForm{.form = {.encoding = Encoding::Table, .bits = bits}, .help = help};
  };
  static const std::array offered = {
      table(8, "a table of 256 values per weight, the best for it (Core ML)"),
      table(7, "128 values, likewise"),
      table(6, "64 values, likewise"),
      table(5, "32 values, likewise"),
      table(4, "16 values, likewise"),
      table(3, "8 values, likewise"),
      table(2, "4 values, likewise"),
      table(1, "2 values, likewise"),
  };
  return {
      .name = "palette",
      .encoding = Encoding::Table,
      .least_bits = 1,
      .most_bits = 8,
      .min_elements = 1024,
      .offered = offered,
      .encode = encode_to_palette,
  };
}

}  // namespace visionpress
