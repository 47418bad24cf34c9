#include "eval/predictions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "eval/coco_elements.h"
#include "eval/dataset_parts.h"
#include "eval/json_fields.h"
#include "eval/prediction_rows.h"

namespace visionpress {
namespace {

using simdjson::ondemand::array;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

/// source: RFC 8259, 7.
std::string quote_json(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      continue;
    }
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

/// Which of the keys that a row needs were there.
struct RowKeys {
  bool image_id = false;
  bool category_id = false;
  bool score = false;
};

Result<void> read_row_field(const std::string& key, value item, const JsonPath& row_path,
                            PredictionRow& row, RowKeys& keys) {
  const JsonPath path(row_path, key);
  if (key == "image_id") {
    VP_ASSIGN_OR_RETURN(row.image_id, read_id(item, path));
    keys.image_id = true;
  } else if (key == "category_id") {
    VP_ASSIGN_OR_RETURN(row.category_id, read_id(item, path));
    keys.category_id = true;
  } else if (key == "score") {
    VP_ASSIGN_OR_RETURN(row.score, read_number(item, path));
    keys.score = true;
  } else if (key == "bbox") {
    VP_ASSIGN_OR_RETURN(row.box, read_box(item, path));
    if (!row.box) return fail(ErrorKind::Malformed, "{}: expected 4 numbers, found 0", path.text());
  }
  return {};
}

Result<PredictionRow> read_row(value source, const JsonPath& path) {
  PredictionRow row;
  RowKeys keys;
  VP_RETURN_IF_ERROR(read_fields(source, path, [&](const std::string& key, value item) {
    return read_row_field(key, item, path, row, keys);
  }));
  if (!keys.image_id || !keys.category_id || !keys.score) {
    return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path.text(),
                !keys.image_id      ? "image_id"
                : !keys.category_id ? "category_id"
                                    : "score");
  }
  return row;
}

/// What an object is in place of the list of predictions.
tl::unexpected<Error> fail_no_list(JsonFile& json, simdjson::error_code code) {
  // An empty text gives no document that could be begun again.
  if (code != simdjson::INCORRECT_TYPE)
    return fail_json("the root", "an array of predictions", code);
  json.document.rewind();
  object root;
  if (json.document.get_object().get(root) == simdjson::SUCCESS) {
    for (auto field : root) {
      std::string_view key;
      if (field.unescaped_key().get(key) != simdjson::SUCCESS) break;
      if (key == "images" || key == "annotations" || key == "categories" || key == "frames" ||
          key == "assets") {
        return fail(ErrorKind::Malformed,
                    "these are annotations, which --data takes; predictions are a list of "
                    "{{\"image_id\", \"category_id\", \"bbox\", \"score\"}}");
      }
      if (key == "predictions") {
        return fail(
            ErrorKind::Malformed,
            "this is a service's answer for one image; predictions of a data set are a list of "
            "{{\"image_id\", \"category_id\", \"bbox\", \"score\"}}");
      }
    }
  }
  return fail_json("the root", "an array of predictions", code);
}

Result<std::vector<PredictionRow>> read_rows(JsonFile& json) {
  array items;
  if (const auto code = json.document.get_array().get(items); code != simdjson::SUCCESS) {
    return fail_no_list(json, code);
  }
  const JsonPath root("");
  std::vector<PredictionRow> rows;
  // Rows with a box take some hundred characters; moving them as the list grows costs a tenth of
  // reading it.
  constexpr std::size_t kRowCharacters = 100;
  constexpr std::size_t kMostReserved = std::size_t{1} << 20;
  rows.reserve(std::min(json.text.size() / kRowCharacters, kMostReserved));
  for (auto item_result : items) {
    value item;
    const JsonPath path(root, rows.size());
    if (const auto code = item_result.get(item); code != simdjson::SUCCESS) {
      return fail_json(path, "a value", code);
    }
    VP_ASSIGN_OR_RETURN(PredictionRow row, read_row(item, path));
    rows.push_back(std::move(row));
    if (rows.back().box.has_value() != rows.front().box.has_value()) {
      return fail(ErrorKind::Malformed, "{}: {} \"bbox\", unlike the rows before it", path.text(),
                  rows.back().box ? "has a" : "has no");
    }
  }
  return rows;
}

using IndexById = std::unordered_map<std::string, std::size_t>;

std::string list_ids(const IndexById& ids) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> sorted;
  for (const auto& [id, index] : ids) sorted.push_back(id);
  std::ranges::sort(sorted, [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  const std::size_t shown = std::min(sorted.size(), kShown);
  return fmt::format("{}{}", fmt::join(std::span(sorted).first(shown), ", "),
                     sorted.size() > shown ? ", ..." : "");
}

/// Finds the image of each row: by id, or by file name or its stem where more rows are found so.
class ImageMatcher {
 public:
  explicit ImageMatcher(const Dataset& dataset)
      : left_out_(dataset.left_out_ids.begin(), dataset.left_out_ids.end()),
        names_(index_names(dataset)) {
    for (const std::string& file_name : dataset.left_out_names) {
      for (const std::string& name : list_names(file_name)) {
        left_out_.insert(name);
        if (const auto number = find_whole(name)) left_out_.insert(std::to_string(*number));
      }
    }
    for (std::size_t i = 0; i < dataset.images.size(); ++i)
      ids_.emplace(id_of(dataset.images[i]), i);
    // Some tools write the stem 000000139 as the number 139.
    const IndexById names = names_;
    for (const auto& [name, index] : names) {
      if (const auto number = find_whole(name)) names_.emplace(std::to_string(*number), index);
    }
  }

  /// errors: Malformed where no row has an image.
  Result<void> match(std::vector<PredictionRow>& rows, Diagnostics& diagnostics) {
    std::size_t by_id = 0;
    std::size_t by_name = 0;
    for (const PredictionRow& row : rows) {
      const std::string& id = row.image_id.text;
      if (ids_.contains(id)) ++by_id;
      if (names_.contains(id)) ++by_name;
    }
    const bool takes_names = by_name > by_id;
    const IndexById& index = takes_names ? names_ : ids_;
    std::size_t unknown = 0;
    std::string first;
    for (PredictionRow& row : rows) {
      const auto found = index.find(row.image_id.text);
      if (found != index.end()) {
        row.image = found->second;
      } else if (!left_out_.contains(row.image_id.text)) {
        if (unknown++ == 0) first = row.image_id.text;
      }
    }
    if (unknown == 0) return {};
    if (unknown == rows.size()) {
      return fail(ErrorKind::Malformed,
                  "no image_id is one of the data set's or the name of one of its images (here {}, "
                  "there {}): predictions of another set of images?",
                  first, list_ids(ids_));
    }
    diagnostics.warn(
        fmt::format("{} of {} predictions are of images that the data set lacks, left out (the "
                    "first: image_id {})",
                    unknown, rows.size(), first));
    return {};
  }

 private:
  std::unordered_set<std::string> left_out_;
  IndexById names_;
  IndexById ids_ = {};
};

/// Finds the tag of each row, by id or, for texts, by name. returns: rows without one.
std::size_t match_tags(std::vector<PredictionRow>& rows, const Dataset& dataset) {
  IndexById tags;
  for (std::size_t t = 0; t < dataset.tags.size(); ++t) tags.emplace(category_id_of(dataset, t), t);
  for (std::size_t t = 0; t < dataset.tags.size(); ++t) tags.emplace(dataset.tags[t], t);
  std::size_t unknown = 0;
  for (PredictionRow& row : rows) {
    const auto found = tags.find(row.category_id.text);
    if (found != tags.end()) row.tag = static_cast<int>(found->second);
    if (found == tags.end() && row.image) ++unknown;
  }
  return unknown;
}

void add_class(const PredictionRow& row, const Dataset& dataset,
               std::vector<std::optional<std::size_t>>& answered, Predictions& predictions) {
  ClassSample sample;
  sample.image = static_cast<std::uint32_t>(*row.image);
  sample.truth = dataset.images[*row.image].class_tag;
  sample.predicted = row.tag;
  sample.score = row.score;
  std::optional<std::size_t>& at = answered[*row.image];
  if (!at) {
    at = predictions.classes.size();
    predictions.classes.push_back(sample);
  } else if (predictions.classes[*at].score < row.score) {
    predictions.classes[*at] = sample;
  }
}

Result<Predictions> collect(std::vector<PredictionRow>& rows, const Dataset& dataset,
                            PredictionSource source, Diagnostics& diagnostics) {
  Predictions predictions;
  const bool boxes = rows.empty() ? dataset.has_boxes : rows.front().box.has_value();
  predictions.task = boxes ? Task::Detection : Task::Classification;
  predictions.detections.resize(dataset.images.size());
  VP_RETURN_IF_ERROR(ImageMatcher(dataset).match(rows, diagnostics));
  const std::size_t unknown = match_tags(rows, dataset);
  // A data set without boxes cannot be a judge of boxes; the caller refuses it.
  if (source == PredictionSource::Elsewhere && boxes == dataset.has_boxes &&
      !dataset.is_unlabelled) {
    VP_ASSIGN_OR_RETURN(const std::vector<std::string> doubts, judge_rows(rows, dataset));
    for (const std::string& doubt : doubts) diagnostics.warn(doubt);
  }
  const auto placed = static_cast<std::size_t>(
      std::ranges::count_if(rows, [](const PredictionRow& row) { return row.image.has_value(); }));
  if (unknown > 0 && unknown == placed) {
    std::string ids;
    for (std::size_t t = 0; t < std::min<std::size_t>(dataset.tags.size(), 3); ++t) {
      ids += fmt::format("{}{}", t == 0 ? "" : ", ", category_id_of(dataset, t));
    }
    return fail(
        ErrorKind::Malformed,
        "no category_id is one of the data set's (here {}, there {}{}): predictions of another "
        "set of categories?",
        rows.front().category_id.text, ids, dataset.tags.size() > 3 ? ", ..." : "");
  }
  if (unknown > 0) {
    diagnostics.warn(fmt::format("{} of {} predictions are of categories that the data set lacks",
                                 unknown, rows.size()));
  }
  std::size_t negative = 0;
  std::vector<std::optional<std::size_t>> answered(dataset.images.size());
  for (const PredictionRow& row : rows) {
    if (!row.image) continue;
    if (!row.box) {
      add_class(row, dataset, answered, predictions);
      continue;
    }
    if (row.tag < 0) continue;
    const auto& [x, y, width, height] = *row.box;
    if (width < 0.0 || height < 0.0) ++negative;
    predictions.detections[*row.image].push_back({row.tag, row.score, x, y, width, height});
  }
  if (negative > 0) {
    diagnostics.warn(
        fmt::format("{} of {} predictions have a box of negative size, which finds nothing",
                    negative, rows.size()));
  }
  return predictions;
}

}  // namespace

Result<Predictions> load_predictions(const std::string& path, const Dataset& dataset,
                                     Diagnostics& diagnostics, PredictionSource source) {
  JsonFile json;
  VP_RETURN_IF_ERROR(open_json(path, json));
  Result<std::vector<PredictionRow>> rows = read_rows(json);
  if (!rows) return in_file(rows.error(), path);
  Diagnostics of_file;
  Result<Predictions> predictions = collect(*rows, dataset, source, of_file);
  if (!predictions) return in_file(std::move(predictions).error(), path);
  for (const std::string& warning : of_file.warnings()) {
    diagnostics.warn(fmt::format("{}: {}", path, warning));
  }
  return predictions;
}

Result<void> save_predictions(const Predictions& predictions, const Dataset& dataset,
                              const std::string& path, Overwrite overwrite) {
  std::string text = "[";
  const auto begin_row = [&](std::size_t image, int tag) {
    const DatasetImage& of = dataset.images[image];
    const auto t = static_cast<std::size_t>(tag);
    const bool named = t < dataset.category_texts.size();
    fmt::format_to(
        std::back_inserter(text), "{}\n{{\"image_id\":{},\"category_id\":{},",
        text.size() > 1 ? "," : "",
        of.id_text.empty() ? std::to_string(of.id) : quote_json(of.id_text),
        named ? quote_json(dataset.category_texts[t]) : std::to_string(dataset.category_ids[t]));
  };
  // {} of a double is its shortest form that reads back to the same bits.
  for (std::size_t i = 0; i < predictions.detections.size(); ++i) {
    for (const Detection& box : predictions.detections[i]) {
      begin_row(i, box.tag);
      fmt::format_to(std::back_inserter(text), "\"bbox\":[{},{},{},{}],\"score\":{}}}", box.x,
                     box.y, box.width, box.height, box.score);
    }
  }
  for (const ClassSample& sample : predictions.classes) {
    if (sample.predicted < 0) continue;
    begin_row(sample.image, sample.predicted);
    fmt::format_to(std::back_inserter(text), "\"score\":{}}}", sample.score);
  }
  text += "\n]\n";
  return write_file(path, overwrite, std::as_bytes(std::span(text)));
}

bool is_same_answer(const Predictions& before, const Predictions& now) {
  constexpr double kNoise = 0.002;  // of a probability
  const auto is_near = [](double a, double b) { return std::abs(a - b) <= kNoise; };
  if (before.task != now.task) return false;
  if (before.task == Task::Classification) {
    return !before.classes.empty() && !now.classes.empty() &&
           before.classes.front().predicted == now.classes.front().predicted &&
           is_near(before.classes.front().score, now.classes.front().score);
  }
  if (before.detections.empty() || now.detections.empty()) return false;
  return std::ranges::equal(before.detections.front(), now.detections.front(),
                            [&](const Detection& a, const Detection& b) {
                              return a.tag == b.tag && is_near(a.score, b.score);
                            });
}

}  // namespace visionpress
