#include "press/press.h"

#include <cstring>
#include <utility>

#include "base/error.h"
#include "codecs/weight_values.h"
#include "model/kernel_axes.h"

namespace visionpress {
namespace {

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
  row.wider_because = planned.wider_because;
  return row;
}

/// Finds the weights that are kernels of convolutions in groups.
std::vector<bool> find_depthwise(const Graph& graph) {
  std::vector<bool> depthwise(graph.weights.size(), false);
  for (const Node& node : graph.nodes) {
    const auto* conv = std::get_if<Conv2d>(&node.op);
    if (conv == nullptr || conv->groups == 1) continue;
    if (const auto kernel = find_kernel(graph, node)) depthwise[*kernel] = true;
  }
  return depthwise;
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

/// Fills in the loss per channel, and whether it is more than a layer should lose.
Result<void> measure_codes(CodeStore& store, std::size_t index, const WeightRef& codes,
                           bool is_depthwise, WeightRow& row) {
  const Weight& weight = store.graph().weights[index];
  const bool is_linear = codes.code.encoding == Encoding::Linear;
  const bool is_table = codes.code.encoding == Encoding::Table;
  const auto axis = static_cast<std::size_t>(weight.channel_axis);
  const bool has_channels = weight.stored.shape.size() > 1 && axis < weight.stored.shape.size();
  const auto channels =
      has_channels ? static_cast<std::size_t>(weight.stored.shape[axis]) : std::size_t{1};
  // Halves round each value relative to its own size; codes share a scale or a table, so small
  // values may be lost.
  if (is_linear || is_table) {
    VP_ASSIGN_OR_RETURN(const FloatView values, store.view_values(index));
    VP_ASSIGN_OR_RETURN(const ChannelError error,
                        measure_channels(values, codes, weight.channel_axis, store.threads()));
    row.channel_snr_db = error.median_snr_db;
    row.lost_share = error.lost_share;
  }
  const bool one_scale = is_linear && codes.code.scales.size() == 1 && channels > 1;
  row.weak_because = describe_loss(row, one_scale && is_depthwise, channels);
  return {};
}

/// Takes codes that were made elsewhere and measures their loss.
Result<CodedWeight> take_finished(std::shared_ptr<const EncodedWeight> codes, std::size_t index,
                                  CodeStore& store) {
  VP_ASSIGN_OR_RETURN(const FloatView values, store.view_values(index));
  CodedWeight coded;
  VP_ASSIGN_OR_RETURN(coded.error, measure_error(values, codes->view(), store.threads()));
  coded.codes = std::move(codes);
  return coded;
}

Result<PressedWeight> press_weight(const PlannedWeight& planned, std::size_t index,
                                   bool is_depthwise, CodeStore& store) {
  PressedWeight pressed;
  pressed.row = describe_row(store.graph().weights[index], planned);
  if (planned.is_kept()) return pressed;
  if (planned.finished && planned.finished->code.encoding == Encoding::Float32) {
    pressed.row.kept_because = "float32, adjusted to the new codes of its layer";
    pressed.codes = planned.finished;
    return pressed;
  }
  CodedWeight coded;
  if (planned.finished) {
    VP_ASSIGN_OR_RETURN(coded, take_finished(planned.finished, index, store));
  } else {
    VP_ASSIGN_OR_RETURN(coded, store.encode(index, planned.form));
  }
  if (!coded.refused.empty()) {
    pressed.row.kept_because = coded.refused;
    return pressed;
  }
  const WeightRef view = coded.codes->view();
  pressed.row.to = describe(view.code);
  pressed.row.bytes_after = stored_bytes(*coded.codes, planned.stored_bits);
  pressed.row.snr_db = coded.error.snr_db;
  // The entries of a table have no common distance.
  if (view.code.encoding != Encoding::Table) pressed.row.max_steps = coded.error.max_steps;
  VP_RETURN_IF_ERROR(measure_codes(store, index, view, is_depthwise, pressed.row));
  if (planned.finished) {
    pressed.row.is_calibrated = true;
    pressed.row.weak_because.clear();
  }
  pressed.codes = std::move(coded.codes);
  return pressed;
}

/// Turns a weight that was pressed back into one that is kept.
void keep(PressedWeight& pressed, const std::string& because) {
  WeightRow& row = pressed.row;
  row.to = row.from;
  row.bytes_after = row.bytes_before;
  row.snr_db = row.max_steps = std::nullopt;
  row.channel_snr_db = row.lost_share = std::nullopt;
  row.weak_because.clear();
  row.wider_because.clear();
  row.kept_because = because;
  pressed.codes = nullptr;
}

}  // namespace

Result<std::vector<PressedWeight>> encode_plan(const Plan& plan, CodeStore& store) {
  const std::vector<bool> depthwise = find_depthwise(store.graph());
  std::vector<PressedWeight> all;
  all.reserve(plan.weights.size());
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    VP_ASSIGN_OR_RETURN(PressedWeight pressed,
                        press_weight(plan.weights[i], i, depthwise[i], store));
    all.push_back(std::move(pressed));
  }
  return all;
}

std::vector<WeightEdit> list_edits(const std::vector<PressedWeight>& pressed) {
  std::vector<WeightEdit> edits;
  for (std::size_t i = 0; i < pressed.size(); ++i) {
    if (pressed[i].codes) edits.push_back({i, pressed[i].codes.get()});
  }
  return edits;
}

std::uint64_t count_bytes(const FilePieces& file) {
  std::uint64_t bytes = 0;
  for (const Bytes piece : file.pieces) bytes += piece.size();
  return bytes;
}

ByteBuffer join(const FilePieces& file) {
  ByteBuffer joined(count_bytes(file));
  std::size_t at = 0;
  for (const Bytes piece : file.pieces) {
    if (!piece.empty()) std::memcpy(joined.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  return joined;
}

Result<FilePieces> rewrite_smaller(const SourceModel& model, Bytes source,
                                   const RewriteOptions& rewrite,
                                   std::vector<PressedWeight>& pressed) {
  if (const auto edits = list_edits(pressed); !edits.empty()) {
    VP_ASSIGN_OR_RETURN(FilePieces smaller, model.rewrite(edits, rewrite));
    const std::uint64_t bytes = count_bytes(smaller);
    if (bytes < source.size()) return smaller;
    const std::string because =
        fmt::format("the file would not shrink: {} bytes, not {}", bytes, source.size());
    for (PressedWeight& weight : pressed) {
      if (weight.codes) keep(weight, because);
    }
  }
  FilePieces same;
  same.pieces.push_back(source);
  return same;
}

}  // namespace visionpress
