// The custom operator TFLite_Detection_PostProcess, whose options are a flexbuffer.

#include <cmath>
#include <span>
#include <vector>

#include <flatbuffers/flexbuffers.h>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

constexpr std::int64_t kMostDetections = 1 << 20;

/// Empty where the file keeps them behind the flatbuffer, as only files above 2 GB do.
Bytes view_options_of(const TfliteOperator& source) {
  const auto* options = source.table.custom_options();
  if (options == nullptr) return {};
  return std::as_bytes(std::span(options->data(), options->size()));
}

/// errors: Malformed for options that are not a map or whose values are out of range.
Result<DetectionPostprocess> read_options(const TfliteOperator& source) {
  const Bytes bytes = view_options_of(source);
  const auto* start = view_as<const std::uint8_t>(bytes.data());
  std::vector<std::uint8_t> seen;
  if (bytes.size() < 3 || !flexbuffers::VerifyBuffer(start, bytes.size(), &seen) ||
      !flexbuffers::GetRoot(start, bytes.size()).IsMap()) {
    return fail(ErrorKind::Malformed, "{}: the options of {} are not a map", source.path,
                source.type);
  }
  const auto map = flexbuffers::GetRoot(start, bytes.size()).AsMap();
  DetectionPostprocess op;
  op.max_boxes = map["max_detections"].AsInt32();
  op.classes = map["num_classes"].AsInt32();
  op.classes_per_box = map["max_classes_per_detection"].AsInt32();
  if (!map["detections_per_class"].IsNull())
    op.boxes_per_class = map["detections_per_class"].AsInt32();
  if (!map["use_regular_nms"].IsNull()) op.per_class = map["use_regular_nms"].AsBool();
  op.score_threshold = map["nms_score_threshold"].AsFloat();
  op.iou_threshold = map["nms_iou_threshold"].AsFloat();
  op.scales = {map["y_scale"].AsFloat(), map["x_scale"].AsFloat(), map["h_scale"].AsFloat(),
               map["w_scale"].AsFloat()};
  const auto is_count = [](std::int64_t n) { return n >= 1 && n <= kMostDetections; };
  const bool fits =
      is_count(op.max_boxes) && is_count(op.classes) && is_count(op.classes_per_box) &&
      is_count(op.boxes_per_class) && op.max_boxes * op.classes_per_box <= kMostDetections &&
      std::isfinite(op.score_threshold) && op.iou_threshold > 0.0F && op.iou_threshold <= 1.0F;
  if (!fits) {
    return fail(ErrorKind::Malformed, "{}: an option of {} is out of range", source.path,
                source.type);
  }
  return op;
}

}  // namespace

/// Operands that are codes become floats first, as in the runtime.
Lowered lower_detection(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 3, 4));
  VP_ASSIGN_OR_RETURN(const DetectionPostprocess op, read_options(source));
  LoweredOperator result;
  result.op = op;
  result.inputs = source.inputs;
  for (std::size_t slot = 0; slot < source.inputs.size(); ++slot) {
    if (find_input(source, slot)->dtype == DType::Float32) continue;
    Tensor value;
    value.name = fmt::format("{}/float", find_input(source, slot)->name);
    value.shape = find_input(source, slot)->shape;
    result.inputs[slot] = make_value(source, result, std::move(value));
    constexpr std::size_t kScores = 1;
    const DequantizeRule rule =
        slot == kScores ? DequantizeRule::TwoProducts : DequantizeRule::OneProduct;
    result.before.push_back({Requantize{rule}, {source.inputs[slot]}, {result.inputs[slot]}});
  }
  return result;
}

}  // namespace visionpress::tflite
