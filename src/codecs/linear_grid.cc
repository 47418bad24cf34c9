#include "codecs/linear_grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "codecs/encode_error.h"
#include "codecs/sum_rounding.h"

namespace visionpress {
namespace {

/// The step is a normal float, so that its reciprocal is one too. Narrower channels lose no more
/// than a float32 product would lose.
constexpr double kSmallestStep = std::numeric_limits<float>::min();
constexpr double kLargestFloat = std::numeric_limits<float>::max();

/// From this number of bits on, 0 is a level: small weights are many, and an error that all of them
/// share adds up over a layer's inputs. Fewer levels cannot spare one.
constexpr int kLeastBitsWithZero = 3;

/// The values of a channel as bins of equal width. A search over grids then costs a few sums per
/// level, not a pass over the values. A level has 16 bins or more when the
/// grid has the whole span.
constexpr std::size_t kLeastBins = 512;
constexpr std::size_t kMostBins = 2048;

std::size_t choose_bins(const LinearCodes& codes) {
  constexpr std::size_t kBinsPerLevel = 16;
  const auto levels = static_cast<std::size_t>(codes.most()) + 1;
  return std::clamp(kBinsPerLevel * levels, kLeastBins, kMostBins);
}

/// Pieces of a long channel that are counted apart; more would take memory and gain nothing.
constexpr std::size_t kMostPieces = 64;

struct Bin {
  double weight = 0.0;
  double sum = 0.0;  ///< of weight * place
};

/// Places are distances from the least value; of signed codes, magnitudes.
struct Places {
  double origin = 0.0;
  double span = 0.0;
  bool magnitudes = false;
  std::size_t bins = kMostBins;

  [[nodiscard]] double of(float value) const {
    return magnitudes ? std::fabs(static_cast<double>(value)) : static_cast<double>(value) - origin;
  }
};

/// Counts the values of each bin, then takes them for values in its middle: a quarter of the time
/// of adding up the values themselves, and nothing that a search could tell.
std::vector<Bin> count_alike(FloatView values, const Places& places) {
  std::array<std::uint32_t, kMostBins + 1> counts = {};  // the largest value may round up
  std::array<float, 256> block;                          // uninitialised: written before it is read
  std::array<std::int32_t, block.size()> bins;
  const auto bins_per_place = static_cast<float>(static_cast<double>(places.bins) / places.span);
  const auto origin = static_cast<float>(places.magnitudes ? 0.0 : places.origin);
  for (std::size_t begin = 0; begin < values.size(); begin += block.size()) {
    const std::size_t size = std::min(block.size(), values.size() - begin);
    const Bytes bytes = values.subview(begin, size).bytes();
    std::memcpy(block.data(), bytes.data(), bytes.size());
    // Two loops: the compiler makes vector code of the first.
    for (std::size_t i = 0; i < size; ++i) {
      const float place = block[i] - origin;
      bins[i] = static_cast<std::int32_t>((places.magnitudes ? std::fabs(place) : place) *
                                          bins_per_place);
    }
    for (std::size_t i = 0; i < size; ++i) ++counts[static_cast<std::size_t>(bins[i])];
  }
  counts[places.bins - 1] += counts[places.bins];
  std::vector<Bin> sums(places.bins);
  const double places_per_bin = places.span / static_cast<double>(places.bins);
  for (std::size_t i = 0; i < places.bins; ++i) {
    const double middle = (static_cast<double>(i) + 0.5) * places_per_bin;
    sums[i] = {counts[i] * 1.0, counts[i] * middle};
  }
  return sums;
}

/// importance: empty, or one weight per value.
std::vector<Bin> count_exactly(FloatView values, std::span<const float> importance,
                               const Places& places) {
  std::vector<Bin> bins(places.bins);
  const double bins_per_place = static_cast<double>(places.bins) / places.span;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double place = places.of(values[i]);
    const auto at = std::min(static_cast<std::size_t>(place * bins_per_place), places.bins - 1);
    const double weight = importance.empty() ? 1.0 : static_cast<double>(importance[i]);
    bins[at].weight += weight;
    bins[at].sum += weight * place;
  }
  return bins;
}

/// Sums of all bins before an edge: entry k is of bins [0, k).
using Edges = std::vector<Bin>;

/// The pieces depend on the values' number alone, so the sums do not depend on the threads.
Edges count_values(FloatView values, std::span<const float> importance, const Places& places,
                   int threads) {
  const std::size_t size = std::max(kSumPiece, (values.size() + kMostPieces - 1) / kMostPieces);
  const std::size_t count = (values.size() + size - 1) / size;
  std::vector<std::vector<Bin>> pieces(count);
  // Bins of subnormal width have no reciprocal in float32.
  const bool can_count_alike =
      importance.empty() && places.span > static_cast<double>(places.bins) * kSmallestStep;
  parallel_for(count, threads, [&](std::size_t i) {
    const std::size_t begin = i * size;
    const std::size_t length = std::min(size, values.size() - begin);
    const FloatView piece = values.subview(begin, length);
    const auto weights = importance.empty() ? importance : importance.subspan(begin, length);
    pieces[i] =
        can_count_alike ? count_alike(piece, places) : count_exactly(piece, weights, places);
  });
  Edges edges(places.bins + 1);
  Bin before;  // in registers: a sum that goes through memory takes five times as long
  for (std::size_t bin = 0; bin < places.bins; ++bin) {
    for (const std::vector<Bin>& piece : pieces) {
      before.weight += piece[bin].weight;
      before.sum += piece[bin].sum;
    }
    edges[bin + 1] = before;
  }
  return edges;
}

/// Levels offset + k * scale for k in [first, last], in places.
struct Levels {
  double scale = 0.0;
  double offset = 0.0;
};

/// The values of one channel as the search sees them: few values one by one, many as bins.
struct Points {
  std::vector<Bin> few = {};  ///< weight and weight * place of each value
  Edges edges = {};
  Bin all = {};  ///< the sums over all values
};

class GridSearch {
 public:
  GridSearch(const Points& points, const LinearCodes& codes, const Places& places)
      : points_(points),
        bins_(static_cast<double>(places.bins)),
        bins_per_place_(bins_ / places.span),
        span_(places.span),
        first_(codes.is_sign() ? 1 : 0),
        last_(codes.most()),
        has_offset_(!codes.is_signed),
        has_many_(codes.most() >= kManyLevels) {}

  [[nodiscard]] Levels find_best() const;
  /// The best grid near `found` with a level at `zero`. returns: `found` itself where no level is
  /// near.
  [[nodiscard]] Levels pin_zero(const Levels& found, double zero) const;

 private:
  /// From here on, a level costs little and a search much.
  static constexpr int kManyLevels = 16;

  /// What the values in the cells of some levels sum up to; k is a level's number.
  struct Moments {
    double k = 0.0;        ///< sum of weight * k
    double kk = 0.0;       ///< sum of weight * k * k
    double k_place = 0.0;  ///< sum of weight * k * place
  };

  [[nodiscard]] Moments sum_cells(const Levels& levels) const;
  [[nodiscard]] Moments sum_few(const Levels& levels) const;
  /// The squared error without the part that no level changes.
  [[nodiscard]] double error(const Levels& levels, const Moments& moments) const;
  [[nodiscard]] Levels fit_to_cells(const Moments& moments, const Levels& present) const;
  [[nodiscard]] std::pair<double, Levels> refine(Levels levels) const;
  [[nodiscard]] std::pair<double, Levels> refine_pinned(Levels levels, int pin, double zero) const;
  [[nodiscard]] std::pair<double, Levels> widen(const std::pair<double, Levels>& found) const;
  [[nodiscard]] std::vector<Levels> list_starts() const;

  const Points& points_;
  double bins_;
  double bins_per_place_;
  double span_;
  int first_;
  int last_;
  bool has_offset_;
  bool has_many_;
};

GridSearch::Moments GridSearch::sum_few(const Levels& levels) const {
  Moments moments;
  for (const Bin& value : points_.few) {
    const double place = (value.sum / value.weight - levels.offset) / levels.scale;
    const double k = std::floor(std::clamp<double>(place, first_, last_) + 0.5);
    moments.k += value.weight * k;
    moments.kk += value.weight * k * k;
    moments.k_place += value.sum * k;
  }
  return moments;
}

GridSearch::Moments GridSearch::sum_cells(const Levels& levels) const {
  if (!points_.few.empty()) return sum_few(levels);
  Moments moments;
  moments.k = points_.all.weight * last_;
  moments.kk = moments.k * last_;
  moments.k_place = points_.all.sum * last_;
  // Summation by parts: what lies below the edge between levels k and k + 1 has one step less.
  const double per_level = levels.scale * bins_per_place_;
  const double first_edge = (levels.offset + 0.5 * levels.scale) * bins_per_place_ + 0.5;
  for (int k = first_; k < last_; ++k) {
    const double edge = first_edge + static_cast<double>(k) * per_level;
    // Signed, since processors convert to signed integers alone.
    const double inside = std::min(std::max(edge, 0.0), bins_);
    const Bin& below = points_.edges[static_cast<std::size_t>(static_cast<std::int64_t>(inside))];
    moments.k -= below.weight;
    moments.kk -= below.weight * static_cast<double>(2 * k + 1);
    moments.k_place -= below.sum;
  }
  return moments;
}

double GridSearch::error(const Levels& levels, const Moments& moments) const {
  const Bin& all = points_.all;
  const double squares = levels.offset * levels.offset * all.weight +
                         2.0 * levels.offset * levels.scale * moments.k +
                         levels.scale * levels.scale * moments.kk;
  return squares - 2.0 * (levels.offset * all.sum + levels.scale * moments.k_place);
}

Levels GridSearch::fit_to_cells(const Moments& moments, const Levels& present) const {
  const Bin& all = points_.all;
  if (!has_offset_) {
    return moments.kk > 0.0 ? Levels{moments.k_place / moments.kk, 0.0} : present;
  }
  const double spread = all.weight * moments.kk - moments.k * moments.k;
  const double slope = all.weight * moments.k_place - moments.k * all.sum;
  if (!(spread > 0.0) || !(slope > 0.0)) return present;
  const double scale = slope / spread;
  return {scale, (all.sum - scale * moments.k) / all.weight};
}

/// Alternates between the cells of the levels and the levels of the cells.
std::pair<double, Levels> GridSearch::refine(Levels levels) const {
  const int most_rounds = has_many_ ? 6 : 25;
  Moments moments = sum_cells(levels);
  double best = error(levels, moments);
  for (int round = 0; round < most_rounds; ++round) {
    const Levels next = fit_to_cells(moments, levels);
    moments = sum_cells(next);
    const double now = error(next, moments);
    if (!(now < best)) break;
    best = now;
    levels = next;
  }
  return {best, levels};
}

std::vector<Levels> GridSearch::list_starts() const {
  std::vector<Levels> starts;
  const double steps = std::max(last_, 1);
  const auto add_each = [](int count, double ratio, const auto& add) {
    double factor = 1.0;
    for (int i = 0; i < count; ++i, factor *= ratio) add(factor);
  };
  // The narrowest starts are 0.07 of the span: the best of few levels when some values are far out.
  // Many levels lose by narrow grids.
  if (!has_offset_) {
    add_each(has_many_ ? 24 : 64, 0.96, [&](double factor) {
      starts.push_back({span_ * factor / steps, 0.0});
    });
    return starts;
  }
  const double mean = points_.all.sum / points_.all.weight;
  const auto add_ends = [&](double low, double high) {
    starts.push_back({(high - low) / steps, low});
  };
  if (has_many_) {
    add_each(10, 0.8, [&](double factor) {
      add_ends(mean * (1.0 - factor), mean + (span_ - mean) * factor);
    });
    add_each(6, 0.88, [&](double factor) {
      add_ends(span_ * (1.0 - factor) / 2.0, span_ * (1.0 + factor) / 2.0);
    });
    return starts;
  }
  // Outliers on one side alone: each end moves towards the mean by itself.
  add_each(8, 0.72, [&](double below) {
    add_each(8, 0.72,
             [&](double above) { add_ends(mean * (1.0 - below), mean + (span_ - mean) * above); });
  });
  return starts;
}

/// Alternates like refine, with level `pin` at the place `zero`.
std::pair<double, Levels> GridSearch::refine_pinned(Levels levels, int pin, double zero) const {
  const int most_rounds = has_many_ ? 6 : 25;
  const double pinned = pin;
  const Bin& all = points_.all;
  levels.offset = zero - pinned * levels.scale;
  Moments moments = sum_cells(levels);
  double best = error(levels, moments);
  for (int round = 0; round < most_rounds; ++round) {
    // Least squares for the scale alone, of distances from the pinned level.
    const double spread = moments.kk - 2.0 * pinned * moments.k + pinned * pinned * all.weight;
    const double slope =
        moments.k_place - zero * moments.k - pinned * (all.sum - zero * all.weight);
    if (!(spread > 0.0) || !(slope > 0.0)) break;
    const Levels next = {slope / spread, zero - pinned * slope / spread};
    moments = sum_cells(next);
    const double now = error(next, moments);
    if (!(now < best)) break;
    best = now;
    levels = next;
  }
  return {best, levels};
}

Levels GridSearch::pin_zero(const Levels& found, double zero) const {
  const double nearest = std::floor((zero - found.offset) / found.scale + 0.5);
  if (!(nearest >= 0.0) || nearest > last_) return found;
  std::pair<double, Levels> best = {std::numeric_limits<double>::infinity(), found};
  for (int pin = static_cast<int>(nearest) - 1; pin <= static_cast<int>(nearest) + 1; ++pin) {
    if (pin < 0 || pin > last_) continue;
    // The widths on both sides: a grid that is moved to the pin has lost at one end.
    for (const double factor : {1.0, 0.95, 1.05}) {
      if (has_many_ && factor != 1.0) break;
      const auto next = refine_pinned({found.scale * factor, 0.0}, pin, zero);
      if (next.first < best.first) best = next;
    }
  }
  return best.second;
}

/// Tries grids of a slightly different width: the alternation does not reach them.
std::pair<double, Levels> GridSearch::widen(const std::pair<double, Levels>& found) const {
  std::pair<double, Levels> best = found;
  const double middle = found.second.offset + 0.5 * last_ * found.second.scale;
  for (const double factor : {0.86, 0.92, 0.96, 0.98, 1.02, 1.04, 1.08, 1.16}) {
    Levels other = {found.second.scale * factor, 0.0};
    if (has_offset_) other.offset = middle - 0.5 * last_ * other.scale;
    const double now = error(other, sum_cells(other));
    if (now < best.first) best = {now, other};
  }
  return best.first < found.first ? refine(best.second) : found;
}

Levels GridSearch::find_best() const {
  // Several starts are refined: the alternation stops in the nearest minimum.
  const std::size_t refined = has_many_ ? 1 : 2;
  std::vector<std::pair<double, Levels>> starts;
  for (const Levels& start : list_starts()) {
    starts.emplace_back(error(start, sum_cells(start)), start);
  }
  std::ranges::stable_sort(starts, {}, &std::pair<double, Levels>::first);
  std::pair<double, Levels> best = refine(starts.front().second);
  for (std::size_t i = 1; i < std::min(refined, starts.size()); ++i) {
    const auto next = refine(starts[i].second);
    if (next.first < best.first) best = next;
  }
  return widen(best).second;
}

/// Up to this number, values are cheaper one by one than as bins.
constexpr std::size_t kFewValues = 64;

Points gather_points(FloatView values, std::span<const float> importance, const Places& places,
                     int threads) {
  Points points;
  if (values.size() > kFewValues) {
    points.edges = count_values(values, importance, places, threads);
    points.all = points.edges.back();
    return points;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double weight = importance.empty() ? 1.0 : static_cast<double>(importance[i]);
    if (!(weight > 0.0)) continue;
    points.few.push_back({weight, weight * places.of(values[i])});
    points.all.weight += weight;
    points.all.sum += points.few.back().sum;
  }
  return points;
}

/// The step as encode_linear takes it; codes -1 and +1 are encoded as 0 and 1 of a grid around 0.
LinearStep encoding_step(const LinearCodes& codes, const LinearStep& step) {
  LinearStep encoding = step;
  encoding.top = codes.most();
  if (codes.is_sign()) {
    encoding.is_signed = false;
    encoding.offset = -step.scale;
    encoding.scale = 2.0F * step.scale;
  }
  return encoding;
}

/// The codes of encoding_step as those of the form.
void store_signs(MutableBytes codes) {
  for (std::byte& code : codes) code = code == std::byte{0} ? std::byte{0xff} : std::byte{1};
}

ErrorSums sum_errors(FloatView values, const LinearStep& step, Bytes codes) {
  ErrorSums sums;
  std::array<float, 4096> decoded;  // uninitialised: decode_linear writes what is read
  for (std::size_t begin = 0; begin < values.size(); begin += decoded.size()) {
    const std::size_t count = std::min(decoded.size(), values.size() - begin);
    const std::span<float> part = std::span(decoded).first(count);
    decode_linear(codes.subspan(begin, count), step, part);
    sums.add(compare_values(values.subview(begin, count), part));
  }
  return sums;
}

double sum_weighted_noise(FloatView values, const LinearCodes& codes, const LinearStep& step,
                          std::span<const float> importance) {
  std::array<std::byte, 4096> out;  // uninitialised: encode_to_grid writes what is read
  double noise = 0.0;
  for (std::size_t begin = 0; begin < values.size(); begin += out.size()) {
    const std::size_t count = std::min(out.size(), values.size() - begin);
    const MutableBytes part = MutableBytes(out).first(count);
    const ErrorSums sums = encode_to_grid(values.subview(begin, count), codes, step, part);
    if (importance.empty()) {
      noise += sums.noise;
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const int code = codes.is_signed ? load_le<std::int8_t>(Bytes(part), i)
                                       : load_le<std::uint8_t>(Bytes(part), i);
      const float decoded = static_cast<float>(code) * step.scale + step.offset;
      const double error = static_cast<double>(values[begin + i]) - static_cast<double>(decoded);
      noise += static_cast<double>(importance[begin + i]) * error * error;
    }
  }
  return noise;
}

/// Whether encoders and every format can work with the step.
bool is_usable(const LinearStep& step) {
  const double last = static_cast<double>(step.offset) + 255.0 * static_cast<double>(step.scale);
  return static_cast<double>(step.scale) >= kSmallestStep && std::fabs(last) <= kLargestFloat;
}

}  // namespace

int LinearCodes::most() const {
  if (is_sign()) return 1;
  return (1 << (is_signed ? bits - 1 : bits)) - 1;
}

int LinearCodes::nearest(double place) const {
  if (is_sign()) return place > 0.0 ? 1 : -1;
  return static_cast<int>(
      std::nearbyint(std::clamp(place, static_cast<double>(least()), static_cast<double>(most()))));
}

double widest_share(const LinearCodes& codes) {
  // A step that was rounded up may put its last code beyond the largest float.
  constexpr double kMargin = 0.5;
  return kMargin * codes.most() / (codes.is_signed ? 127.0 : 255.0);
}

ValueRange find_whole_range(FloatView values, int threads) {
  const std::size_t count = (values.size() + kSumPiece - 1) / kSumPiece;
  std::vector<ValueRange> ranges(count);
  parallel_for(count, threads, [&](std::size_t i) {
    const std::size_t begin = i * kSumPiece;
    ranges[i] = find_range(values.subview(begin, std::min(kSumPiece, values.size() - begin)));
  });
  ValueRange range = ranges.empty() ? ValueRange{} : ranges[0];
  for (const ValueRange& next : ranges) {
    range.min = std::min(range.min, next.min);
    range.max = std::max(range.max, next.max);
    range.finite = range.finite && next.finite;
  }
  return range;
}

GridChoice span_grid(const ValueRange& range, const LinearCodes& codes) {
  GridChoice choice;
  LinearStep& step = choice.step;
  if (!range.finite) {
    choice.fault = GridFault::NotFinite;
    return choice;
  }
  const double min = range.min;
  const double max = range.max;
  const double span = codes.is_signed ? std::max(-min, max) : max - min;
  if (span > widest_share(codes) * kLargestFloat) {
    choice.fault = GridFault::TooWide;
    return choice;
  }
  step.is_signed = codes.is_signed;
  if (!codes.is_signed) step.offset = range.min;
  // A constant channel keeps scale 1: every code is 0 and decodes to the offset.
  if (span > 0.0) step.scale = static_cast<float>(std::max(span / codes.most(), kSmallestStep));
  return choice;
}

GridChoice fit_grid(FloatView values, const LinearCodes& codes, std::span<const float> importance,
                    int threads) {
  const bool is_weighted =
      std::ranges::any_of(importance, [](float weight) { return weight > 0.0F; });
  if (!is_weighted) importance = {};
  const ValueRange range = find_whole_range(values, threads);
  const GridChoice whole = span_grid(range, codes);
  const double min = range.min;
  const double max = range.max;
  const Places places{.origin = min,
                      .span = codes.is_signed ? std::max(-min, max) : max - min,
                      .magnitudes = codes.is_signed,
                      .bins = choose_bins(codes)};
  if (whole.fault != GridFault::None || !(places.span > 0.0)) return whole;
  const Points points = gather_points(values, importance, places, threads);
  const GridSearch search(points, codes, places);
  Levels levels = search.find_best();
  GridChoice fitted = whole;
  if (!codes.is_signed && codes.bits >= kLeastBitsWithZero && min < 0.0 && max > 0.0) {
    levels = search.pin_zero(levels, -min);
  }
  fitted.step.scale = static_cast<float>(levels.scale);
  if (!codes.is_signed) fitted.step.offset = static_cast<float>(min + levels.offset);
  if (!is_usable(fitted.step)) return whole;
  // The bins are an approximation; the values decide.
  const double before = sum_weighted_noise(values, codes, whole.step, importance);
  const double after = sum_weighted_noise(values, codes, fitted.step, importance);
  return after < before ? fitted : whole;
}

ErrorSums encode_to_grid(FloatView values, const LinearCodes& codes, const LinearStep& step,
                         MutableBytes out) {
  const ErrorSums sums = encode_linear(values, encoding_step(codes, step), out);
  if (codes.is_sign()) store_signs(out);
  return sums;
}

ErrorSums encode_to_grid(FloatView values, const LinearCodes& codes, const LinearStep& step,
                         const ChannelTaps& taps, MutableBytes out) {
  const LinearStep encoding = encoding_step(codes, step);
  encode_cancelling(values, taps, encoding, out);
  const ErrorSums sums = sum_errors(values, encoding, out);
  if (codes.is_sign()) store_signs(out);
  return sums;
}

}  // namespace visionpress
