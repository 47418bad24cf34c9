#include "eval/predictions.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "eval/dataset_parts.h"

namespace visionpress {
namespace {

using simdjson::ondemand::array;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

struct Row {
  std::optional<std::int64_t> image_id = std::nullopt;
  std::optional<std::int64_t> category_id = std::nullopt;
  std::optional<double> score = std::nullopt;
  std::optional<std::array<double, 4>> box = std::nullopt;
};

Result<std::array<double, 4>> read_box(value source, const std::string& path) {
  array items;
  if (const auto code = source.get_array().get(items); code != simdjson::SUCCESS) {
    return fail_json(path, "an array", code);
  }
  std::array<double, 4> box = {};
  std::size_t count = 0;
  for (auto item_result : items) {
    value item;
    const std::string item_path = fmt::format("{}[{}]", path, count);
    if (const auto code = item_result.get(item); code != simdjson::SUCCESS) {
      return fail_json(item_path, "a value", code);
    }
    VP_ASSIGN_OR_RETURN(const double number, read_number(item, item_path));
    if (count < 4) box[count] = number;
    ++count;
  }
  if (count != 4) {
    return fail(ErrorKind::Malformed, "{}: expected 4 numbers, found {}", path, count);
  }
  if (box[2] < 0.0 || box[3] < 0.0) {
    return fail(ErrorKind::Malformed, "{}: the box is {} wide and {} high", path, box[2], box[3]);
  }
  return box;
}

Result<void> read_row_field(const std::string& key, value item, const std::string& row_path,
                            Row& row) {
  const std::string path = row_path + "." + key;
  if (key == "image_id") {
    VP_ASSIGN_OR_RETURN(row.image_id, read_whole(item, path));
  } else if (key == "category_id") {
    VP_ASSIGN_OR_RETURN(row.category_id, read_whole(item, path));
  } else if (key == "score") {
    VP_ASSIGN_OR_RETURN(row.score, read_number(item, path));
  } else if (key == "bbox") {
    VP_ASSIGN_OR_RETURN(row.box, read_box(item, path));
  }
  return {};
}

Result<Row> read_row(value source, const std::string& path) {
  object fields;
  if (const auto code = source.get_object().get(fields); code != simdjson::SUCCESS) {
    return fail_json(path, "an object", code);
  }
  Row row;
  for (auto field : fields) {
    std::string_view key_view;
    value item;
    if (const auto code = field.unescaped_key().get(key_view); code != simdjson::SUCCESS) {
      return fail_json(path, "a key", code);
    }
    const std::string key(key_view);
    if (const auto code = field.value().get(item); code != simdjson::SUCCESS) {
      return fail_json(path, "a value", code);
    }
    VP_RETURN_IF_ERROR(read_row_field(key, item, path, row));
  }
  if (!row.image_id || !row.category_id || !row.score) {
    return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path,
                !row.image_id      ? "image_id"
                : !row.category_id ? "category_id"
                                   : "score");
  }
  return row;
}

Result<std::vector<Row>> read_rows(JsonFile& json) {
  array items;
  if (const auto code = json.document.get_array().get(items); code != simdjson::SUCCESS) {
    return fail_json("the root", "an array of predictions", code);
  }
  std::vector<Row> rows;
  for (auto item_result : items) {
    value item;
    const std::string path = fmt::format("[{}]", rows.size());
    if (const auto code = item_result.get(item); code != simdjson::SUCCESS) {
      return fail_json(path, "a value", code);
    }
    VP_ASSIGN_OR_RETURN(Row row, read_row(item, path));
    rows.push_back(row);
    if (row.box.has_value() != rows.front().box.has_value()) {
      return fail(ErrorKind::Malformed, "{}: {} \"bbox\", unlike the rows before it", path,
                  row.box ? "has a" : "has no");
    }
  }
  return rows;
}

using IndexById = std::unordered_map<std::int64_t, std::size_t>;

/// Sorts one row into its image.
class Collector {
 public:
  Collector(const Dataset& dataset, Predictions& predictions)
      : dataset_(dataset), predictions_(predictions), answered_(dataset.images.size()) {
    for (std::size_t i = 0; i < dataset.images.size(); ++i)
      images_.emplace(dataset.images[i].id, i);
    for (std::size_t t = 0; t < dataset.tags.size(); ++t) tags_.emplace(dataset.category_ids[t], t);
  }

  Result<void> add(const Row& row, std::size_t index) {
    const auto image = images_.find(*row.image_id);
    if (image == images_.end()) {
      if (std::ranges::binary_search(dataset_.left_out_ids, *row.image_id)) return {};
      return fail(ErrorKind::Malformed, "[{}].image_id: the data set has no image with id {}",
                  index, *row.image_id);
    }
    const auto tag = tags_.find(*row.category_id);
    const int tag_index = tag == tags_.end() ? -1 : static_cast<int>(tag->second);
    if (tag_index < 0) ++unknown_;
    if (row.box) {
      const auto& [x, y, width, height] = *row.box;
      if (tag_index >= 0) {
        predictions_.detections[image->second].push_back(
            {tag_index, *row.score, x, y, width, height});
      }
      return {};
    }
    add_class(image->second, tag_index, *row.score);
    return {};
  }

  [[nodiscard]] std::size_t unknown() const { return unknown_; }

 private:
  void add_class(std::size_t image, int tag, double score) {
    ClassSample sample;
    sample.image = static_cast<std::uint32_t>(image);
    sample.truth = dataset_.images[image].class_tag;
    sample.predicted = tag;
    sample.score = score;
    std::optional<std::size_t>& at = answered_[image];
    if (!at) {
      at = predictions_.classes.size();
      predictions_.classes.push_back(sample);
    } else if (predictions_.classes[*at].score < score) {
      predictions_.classes[*at] = sample;
    }
  }

  const Dataset& dataset_;
  Predictions& predictions_;
  std::vector<std::optional<std::size_t>> answered_;
  IndexById images_ = {};
  IndexById tags_ = {};
  std::size_t unknown_ = 0;
};

Result<Predictions> collect(const std::vector<Row>& rows, const Dataset& dataset,
                            Diagnostics& diagnostics) {
  Predictions predictions;
  const bool boxes =
      rows.empty() ? dataset.kind != DatasetKind::Folder : rows.front().box.has_value();
  predictions.task = boxes ? Task::Detection : Task::Classification;
  predictions.detections.resize(dataset.images.size());
  Collector collector(dataset, predictions);
  for (std::size_t i = 0; i < rows.size(); ++i) VP_RETURN_IF_ERROR(collector.add(rows[i], i));
  if (collector.unknown() > 0) {
    diagnostics.warn(fmt::format("{} of {} predictions are of categories that the data set lacks",
                                 collector.unknown(), rows.size()));
  }
  return predictions;
}

}  // namespace

Result<Predictions> load_predictions(const std::string& path, const Dataset& dataset,
                                     Diagnostics& diagnostics) {
  JsonFile json;
  VP_RETURN_IF_ERROR(open_json(path, json));
  const Result<std::vector<Row>> rows = read_rows(json);
  if (!rows) return in_file(rows.error(), path);
  Result<Predictions> predictions = collect(*rows, dataset, diagnostics);
  if (!predictions) return in_file(std::move(predictions).error(), path);
  return predictions;
}

Result<void> save_predictions(const Predictions& predictions, const Dataset& dataset,
                              const std::string& path, Overwrite overwrite) {
  std::string text = "[";
  const auto begin_row = [&](std::size_t image, int tag) {
    fmt::format_to(std::back_inserter(text), "{}\n{{\"image_id\":{},\"category_id\":{},",
                   text.size() > 1 ? "," : "", dataset.images[image].id,
                   dataset.category_ids[static_cast<std::size_t>(tag)]);
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

}  // namespace visionpress
