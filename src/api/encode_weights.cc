#include "api/encode_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string_view>

#include "api/open_input.h"
#include "base/error.h"
#include "codecs/decode.h"
#include "codecs/weight_values.h"

namespace visionpress {
namespace {

/// Floats of a weight: borrowed where the file holds them, else decoded into `scratch`.
Result<FloatView> view_floats(const WeightRef& weight, std::vector<float>& scratch, int threads) {
  if (const auto view = view_weight(weight)) return *view;
  const auto count = static_cast<std::size_t>(element_count(weight.shape).value_or(0));
  if (scratch.size() < count) scratch.resize(count);
  VP_RETURN_IF_ERROR(decode_weight(weight, std::span(scratch).first(count), threads));
  return FloatView(std::span(scratch).first(count));
}

WeightRow describe_row(const Weight& weight, const PlannedWeight& planned) {
  WeightRow row;
  row.name = weight.name;
  row.layer = weight.layer;
  row.shape = weight.stored.shape;
  row.from = describe(weight.stored.code);
  row.to = row.from;
  row.bytes_before = stored_bytes(weight.stored);
  row.bytes_after = row.bytes_before;
  row.kept_because = planned.kept_because;
  return row;
}

std::string describe_loss(const WeightRow& row, bool is_depthwise, std::size_t channels) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (row.snr_db && *row.snr_db < kWeakSnrDb) {
    add(fmt::format("SNR {:.1f} dB", *row.snr_db));
  } else if (row.channel_snr_db && *row.channel_snr_db < kWeakChannelSnrDb) {
    add(fmt::format("SNR {:.1f} dB in the middle one of its {} channels", *row.channel_snr_db,
                    channels));
  }
  if (row.lost_share && *row.lost_share > kWeakLostShare) {
    add(fmt::format("{:.0f} % of its values are lost", 100.0 * *row.lost_share));
  }
  if (is_depthwise) add("a depthwise kernel with one scale for all channels");
  return text;
}

Result<void> measure_codes(const Weight& weight, FloatView floats, const WeightRef& encoded,
                           const PlannedWeight& planned, WeightRow& row) {
  const bool is_linear = encoded.code.encoding == Encoding::Linear;
  const auto axis = static_cast<std::size_t>(weight.channel_axis);
  const bool has_channels = weight.stored.shape.size() > 1 && axis < weight.stored.shape.size();
  const auto channels =
      has_channels ? static_cast<std::size_t>(weight.stored.shape[axis]) : std::size_t{1};
  if (is_linear) {
    VP_ASSIGN_OR_RETURN(
        const ChannelError error,
        measure_channels(floats, encoded, weight.channel_axis, planned.encode.threads));
    row.channel_snr_db = error.median_snr_db;
    row.lost_share = error.lost_share;
  }
  const bool one_scale = is_linear && encoded.code.scales.size() == 1 && channels > 1;
  row.weak_because = describe_loss(row, one_scale && planned.is_depthwise, channels);
  return {};
}

Result<Encoded> encode_weight(const Weight& weight, const PlannedWeight& planned,
                              const Scheme& scheme, std::vector<float>& scratch) {
  Encoded encoded;
  encoded.row = describe_row(weight, planned);
  if (!planned.kept_because.empty()) return encoded;
  const auto floats = view_floats(weight.stored, scratch, planned.encode.threads);
  if (!floats) return fail(floats.error().kind, "{}: {}", weight.path, floats.error().message);
  EncodeError error;
  EncodeOptions encode = planned.encode;
  encode.error = &error;
  auto value = scheme.encode(*floats, weight.stored.shape, encode);
  if (!value) {
    encoded.row.kept_because = value.error().message;
    return encoded;
  }
  encoded.value = std::move(*value);
  const WeightRef view = encoded.value.view();
  encoded.row.to = describe(view.code);
  encoded.row.bytes_after = stored_bytes(view);
  encoded.row.snr_db = error.snr_db;
  encoded.row.max_steps = error.max_steps;
  VP_RETURN_IF_ERROR(measure_codes(weight, *floats, view, planned, encoded.row));
  return encoded;
}

bool same_bytes(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// What codes are worth: scale, and the value of code 0 where a scale does not say it all.
/// A format may have to repeat one scale for every channel (TFLite's depthwise convolutions).
bool same_meaning(const WeightCode& written, const WeightCode& meant) {
  if (written.encoding != meant.encoding || written.bits != meant.bits ||
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

/// A half bias is written as float32 beside a kernel whose operator wants that: its values stay.
Result<bool> same_values(const WeightRef& a, const WeightRef& b) {
  if (same_bytes(a.payload, b.payload)) return true;
  if (a.shape != b.shape) return false;
  VP_ASSIGN_OR_RETURN(const std::vector<float> before, load_weight(a));
  VP_ASSIGN_OR_RETURN(const std::vector<float> after, load_weight(b));
  return before == after;
}

/// As same_meaning, where the format keeps the values of the least and the largest code: those
/// agree to rounding.
bool same_ranges(const WeightCode& written, const WeightCode& meant) {
  if (written.encoding != meant.encoding || written.bits != meant.bits ||
      written.is_signed != meant.is_signed || written.scales.size() != meant.scales.size())
    return false;
  const auto value_of = [](const WeightCode& code, std::size_t at, double value) {
    const double zero = code.zero_points.empty() ? 0.0 : code.zero_points[at];
    const double offset = code.offsets.empty() ? 0.0 : static_cast<double>(code.offsets[at]);
    return static_cast<double>(code.scales[at]) * (value - zero) + offset;
  };
  const double top = std::exp2(meant.bits) - 1.0;
  for (std::size_t i = 0; i < meant.scales.size(); ++i) {
    const double least = value_of(meant, i, 0.0);
    const double largest = value_of(meant, i, top);
    const double magnitude = std::max(std::abs(least), std::abs(largest));
    // Four roundings: both ends, their difference, the scale.
    const double allowed = 4.0 * magnitude * std::numeric_limits<float>::epsilon();
    if (!(std::abs(value_of(written, i, 0.0) - least) <= allowed) ||
        !(std::abs(value_of(written, i, top) - largest) <= allowed))
      return false;
  }
  return true;
}

Result<void> compare_edited(const Weight& written, const EncodedWeight& meant,
                            const FormatLimits& limits) {
  const WeightRef& stored = written.stored;
  const bool same_code = meant.code.encoding == Encoding::Linear && limits.linear_by_range
                             ? same_ranges(stored.code, meant.code)
                             : same_meaning(stored.code, meant.code);
  if (stored.shape != meant.shape || !same_code) {
    return fail(ErrorKind::Internal, "{}: written as {} {}, meant as {} {}", written.path,
                describe(stored.code), to_string(stored.shape), describe(meant.code),
                to_string(meant.shape));
  }
  if (stored.packing == Packing::Whole || stored.code.bits % 8 == 0) {
    if (same_bytes(stored.payload, meant.codes)) return {};
  } else {
    VP_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> codes, load_codes(stored));
    if (same_bytes(std::as_bytes(std::span(codes)), meant.codes)) return {};
  }
  return fail(ErrorKind::Internal, "{}: the codes read back differ from those written",
              written.path);
}

}  // namespace

Result<const Scheme*> choose_scheme(const std::string& name) {
  if (const Scheme* scheme = find_scheme(name)) return scheme;
  std::vector<std::string> names;
  for (const Scheme& scheme : all_schemes()) names.emplace_back(scheme.name);
  if (name.empty())
    return fail(ErrorKind::Usage, "no scheme given; one of {}", fmt::join(names, ", "));
  const auto near = find_nearest(name, names, 1);
  return fail(ErrorKind::Usage, "no scheme \"{}\"{}; one of {}", name,
              near.empty() ? "" : fmt::format(" (did you mean {}?)", near.front()),
              fmt::join(names, ", "));
}

Result<std::vector<Encoded>> encode_all(const Graph& graph, std::vector<PlannedWeight> plan,
                                        const Scheme& scheme, int threads) {
  std::vector<Encoded> all;
  all.reserve(plan.size());
  std::vector<float> scratch;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    plan[i].encode.threads = threads;
    VP_ASSIGN_OR_RETURN(Encoded encoded, encode_weight(graph.weights[i], plan[i], scheme, scratch));
    all.push_back(std::move(encoded));
  }
  return all;
}

std::vector<WeightEdit> list_edits(const std::vector<Encoded>& all) {
  std::vector<WeightEdit> edits;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].row.kept_because.empty()) edits.push_back({i, &all[i].value});
  }
  return edits;
}

Result<void> verify_written(const std::string& path, const Graph& source,
                            const std::vector<Encoded>& all) {
  VP_ASSIGN_OR_RETURN(const OpenedModel written, open_model(path));
  const Graph& graph = written.graph();
  if (graph.weights.size() != source.weights.size() || graph.nodes.size() != source.nodes.size()) {
    return fail(ErrorKind::Internal, "written with {} layers and {} weights, meant with {} and {}",
                graph.nodes.size(), graph.weights.size(), source.nodes.size(),
                source.weights.size());
  }
  // A format may list its weights in another order once some of them have a table of their own.
  std::map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < graph.weights.size(); ++i) by_name.emplace(graph.weights[i].name, i);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Weight& before = source.weights[i];
    const auto found = by_name.find(before.name);
    if (found == by_name.end()) {
      return fail(ErrorKind::Internal, "{}: missing from the written file", before.path);
    }
    const Weight& after = graph.weights[found->second];
    if (all[i].row.kept_because.empty()) {
      VP_RETURN_IF_ERROR(compare_edited(after, all[i].value, written.source->limits()));
      continue;
    }
    VP_ASSIGN_OR_RETURN(const bool same, same_values(before.stored, after.stored));
    if (!same) {
      return fail(ErrorKind::Internal, "{}: changed, though it was to stay", before.path);
    }
  }
  return {};
}

}  // namespace visionpress
