#include <algorithm>

#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

std::string format_raw(const std::vector<RawOutput>& outputs) {
  std::string text;
  for (const RawOutput& output : outputs) {
    text += fmt::format("  {} {}: {:.6g} to {:.6g}, mean {:.6g}{}\n", shown(output.name),
                        format_shape(output.shape), output.minimum, output.maximum, output.mean,
                        output.not_finite == 0
                            ? std::string()
                            : fmt::format(", {} NaN or infinite", output.not_finite));
  }
  return text;
}

std::string format_image(const ImagePrediction& image, bool boxes) {
  std::string text = fmt::format("{} ({}x{}){}{}\n", shown(image.file), image.width, image.height,
                                 image.predictions.empty() && boxes ? ": nothing seen" : "",
                                 image.drawn.empty() ? "" : " -> " + shown(image.drawn));
  for (const Prediction& seen : image.predictions) {
    text += fmt::format("  {:.3f}  {}", seen.probability, shown(seen.tag));
    if (boxes) {
      text += fmt::format("  at {:.0f},{:.0f} size {:.0f}x{:.0f}", seen.left, seen.top, seen.width,
                          seen.height);
    }
    text += "\n";
  }
  return text;
}

JsonValue prediction_json(const Prediction& seen, bool boxes) {
  JsonValue json = {{"tag", seen.tag}, {"probability", seen.probability}};
  if (boxes) {
    json["box"] = {
        {"left", seen.left}, {"top", seen.top}, {"width", seen.width}, {"height", seen.height}};
  }
  return json;
}

JsonValue raw_json(const RawOutput& output) {
  return {{"name", output.name},       {"shape", output.shape}, {"minimum", output.minimum},
          {"maximum", output.maximum}, {"mean", output.mean},   {"not_finite", output.not_finite}};
}

JsonValue image_json(const ImagePrediction& image, const std::string& task) {
  if (image.error) return {{"file", image.file}, {"error", image.error->to_string()}};
  JsonValue entry = {{"file", image.file}, {"width", image.width}, {"height", image.height}};
  if (task == "raw") {
    JsonValue outputs = JsonValue::array();
    for (const RawOutput& output : image.outputs) outputs.push_back(raw_json(output));
    entry["outputs"] = outputs;
  } else {
    JsonValue seen = JsonValue::array();
    for (const Prediction& p : image.predictions) {
      seen.push_back(prediction_json(p, task == "detection"));
    }
    entry["predictions"] = seen;
  }
  if (!image.drawn.empty()) entry["drawn"] = image.drawn;
  return entry;
}

JsonValue make_json(const PredictResult& result) {
  JsonValue images = JsonValue::array();
  for (const ImagePrediction& image : result.images) {
    images.push_back(image_json(image, result.task));
  }
  JsonValue json = {{"model", result.model}, {"task", result.task}};
  if (!result.raw_because.empty()) json["raw_because"] = result.raw_because;
  json["arithmetic"] = result.arithmetic;
  json["preprocessing"] = result.preprocessing;
  json["images"] = images;
  json["warnings"] = result.warnings;
  return json;
}

Table make_table(const PredictResult& result) {
  Table table{{"file", "tag", "probability", "left", "top", "width", "height"}, {}};
  for (const ImagePrediction& image : result.images) {
    for (const Prediction& p : image.predictions) {
      table.rows.push_back({image.file, p.tag, format_number(p.probability, 6),
                            format_number(p.left, 2), format_number(p.top, 2),
                            format_number(p.width, 2), format_number(p.height, 2)});
    }
  }
  return table;
}

}  // namespace

std::string format_image_text(const PredictResult& result, std::size_t image) {
  const ImagePrediction& seen = result.images[image];
  if (seen.error) return {};
  return format_image(seen, result.task == "detection") + format_raw(seen.outputs);
}

std::string format_last_text(const PredictResult& result) {
  const bool all_bad = std::ranges::all_of(
      result.images, [](const ImagePrediction& image) { return image.error.has_value(); });
  if (all_bad) return {};
  const std::string raw =
      result.raw_because.empty() ? "" : fmt::format("raw outputs: {}\n", result.raw_because);
  return raw + fmt::format("arithmetic: {}; preprocessing: {}\n", result.arithmetic,
                           result.preprocessing);
}

std::string format_report(const PredictResult& result, ReportForm form) {
  if (auto text = format_unless_text(
          form, Alignment::Numbers, [&] { return make_json(result); },
          [&] { return make_table(result); })) {
    return *text;
  }
  std::string text;
  for (std::size_t i = 0; i < result.images.size(); ++i) text += format_image_text(result, i);
  return text + format_last_text(result);
}

}  // namespace visionpress
