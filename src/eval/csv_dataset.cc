// A CSV table, one row per box. Columns are known by their names: the image ("image", "filename",
// ...), the tag ("label", "class", ...), the corners as edges counted from 0 ("xmin", "ymin",
// "xmax", "ymax" as in VoTT's and TensorFlow's tables, "x1" ..., "left" ...) or corner and size
// ("x", "y", "width", "height"), and where corners are given the picture's "width" and "height".
// Empty corners: an image without boxes. Without columns for a box: one class per image.
// A table without names is Keras RetinaNet's (path, x1, y1, x2, y2, class), or Google's AutoML
// (set, path, label, x1, y1, , , x2, y2, , in shares).
// source: VoTT 2.2, src/providers/export/csv.ts; TensorFlow Object Detection's raccoon example;
// github.com/fizyr/keras-retinanet, "CSV datasets"; cloud.google.com, "AutoML image CSV".

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "eval/csv_rows.h"
#include "eval/dataset_table.h"
#include "eval/image.h"
#include "eval/label_files.h"
#include "eval/labelled_images.h"
#include "eval/rectangle.h"

namespace visionpress {
namespace {

enum CsvColumn : std::size_t {
  ImageColumn,
  TagColumn,
  X1Column,
  Y1Column,
  X2Column,
  Y2Column,
  BoxWidthColumn,
  BoxHeightColumn,
  WidthColumn,
  HeightColumn,
  SplitColumn
};
constexpr std::size_t kCsvColumns = SplitColumn + 1;

/// Where each column stands in a row; nothing where the table does not have it.
using Places = std::array<std::optional<std::size_t>, kCsvColumns>;

struct CsvColumnName {
  std::string_view name = {};
  CsvColumn column = ImageColumn;
};

/// A "width" beside corners is the picture's, beside "x" and "y" alone the box's.
constexpr CsvColumnName kCsvNames[] = {{"image", ImageColumn},
                                       {"filename", ImageColumn},
                                       {"file_name", ImageColumn},
                                       {"file", ImageColumn},
                                       {"image_path", ImageColumn},
                                       {"imagepath", ImageColumn},
                                       {"image_name", ImageColumn},
                                       {"imageid", ImageColumn},
                                       {"image_id", ImageColumn},
                                       {"path", ImageColumn},
                                       {"filepath", ImageColumn},
                                       {"label", TagColumn},
                                       {"class", TagColumn},
                                       {"class_name", TagColumn},
                                       {"classname", TagColumn},
                                       {"tag", TagColumn},
                                       {"category", TagColumn},
                                       {"label_name", TagColumn},
                                       {"labelname", TagColumn},
                                       {"name", TagColumn},
                                       {"xmin", X1Column},
                                       {"x_min", X1Column},
                                       {"x1", X1Column},
                                       {"left", X1Column},
                                       {"x", X1Column},
                                       {"bbox_x", X1Column},
                                       {"ymin", Y1Column},
                                       {"y_min", Y1Column},
                                       {"y1", Y1Column},
                                       {"top", Y1Column},
                                       {"y", Y1Column},
                                       {"bbox_y", Y1Column},
                                       {"xmax", X2Column},
                                       {"x_max", X2Column},
                                       {"x2", X2Column},
                                       {"right", X2Column},
                                       {"ymax", Y2Column},
                                       {"y_max", Y2Column},
                                       {"y2", Y2Column},
                                       {"bottom", Y2Column},
                                       {"box_width", BoxWidthColumn},
                                       {"bbox_width", BoxWidthColumn},
                                       {"w", BoxWidthColumn},
                                       {"box_height", BoxHeightColumn},
                                       {"bbox_height", BoxHeightColumn},
                                       {"h", BoxHeightColumn},
                                       {"width", WidthColumn},
                                       {"image_width", WidthColumn},
                                       {"img_width", WidthColumn},
                                       {"height", HeightColumn},
                                       {"image_height", HeightColumn},
                                       {"img_height", HeightColumn},
                                       {"split", SplitColumn},
                                       {"set", SplitColumn},
                                       {"subset", SplitColumn},
                                       {"usage", SplitColumn}};

std::optional<CsvColumn> find_column(std::string_view name) {
  const std::string lower = ascii_lower(trim_blanks(name));
  for (const CsvColumnName& known : kCsvNames) {
    if (known.name == lower) return known.column;
  }
  return std::nullopt;
}

Places find_places(const std::vector<std::string>& header) {
  Places places;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const auto column = find_column(header[i]);
    if (column && !places[*column]) places[*column] = i;
  }
  if (places[X1Column] && !places[X2Column] && !places[BoxWidthColumn]) {
    std::swap(places[BoxWidthColumn], places[WidthColumn]);
    std::swap(places[BoxHeightColumn], places[HeightColumn]);
  }
  return places;
}

bool is_set_name(std::string_view text) {
  const std::string lower = ascii_lower(text);
  return is_split_name(lower) || lower == "unassigned";
}

/// Of a table whose first row is data; nothing where it is none that is known.
std::optional<Places> guess_places(const std::vector<std::string>& row) {
  Places places;
  constexpr std::size_t kAutoMlCells = 11;
  if (row.size() == kAutoMlCells && is_set_name(row[0])) {
    places[SplitColumn] = 0;
    places[ImageColumn] = 1;
    places[TagColumn] = 2;
    places[X1Column] = 3;
    places[Y1Column] = 4;
    places[X2Column] = 7;
    places[Y2Column] = 8;
    return places;
  }
  const auto is_side = [](const std::string& cell) { return cell.empty() || find_number(cell); };
  if (row.size() != 6 || !std::all_of(row.begin() + 1, row.begin() + 5, is_side)) {
    return std::nullopt;
  }
  places[ImageColumn] = 0;
  for (const std::size_t i : {0, 1, 2, 3}) places[X1Column + i] = i + 1;
  places[TagColumn] = 5;
  return places;
}

bool is_csv_file(const FileHead& file) {
  if (file.extension == ".csv" || file.extension == ".tsv") return true;
  if (file.text.starts_with('{') || file.text.starts_with('[')) return false;
  std::string_view text = file.text;
  const Places places = find_places(cut_row(text, find_separator(text)));
  return places[ImageColumn] && places[TagColumn];
}

class CsvReader {
 public:
  Result<LabelledImages> read(std::string_view text) {
    if (trim_blanks(text).empty()) return fail(ErrorKind::Malformed, "the table is empty");
    separator_ = find_separator(text);
    std::string_view rest = text;
    const std::vector<std::string> header = cut_row(rest, separator_);
    places_ = find_places(header);
    std::size_t line = 2;
    if (!places_[ImageColumn] || !places_[TagColumn]) {
      const auto guess = guess_places(header);
      if (!guess) {
        return fail(ErrorKind::Malformed,
                    "line 1: found the columns \"{}\"; expected one for the image (\"image\", "
                    "\"filename\"), one for the tag (\"label\", \"class\") and xmin, ymin, xmax, "
                    "ymax",
                    fmt::join(header, "\", \""));
      }
      places_ = *guess;
      rest = text;
      line = 1;
    } else {
      note_unread(header);
    }
    labelled_.has_boxes = places_[X1Column].has_value();
    VP_RETURN_IF_ERROR(check_places());
    for (; !rest.empty(); ++line) {
      const std::vector<std::string> row = cut_row(rest, separator_);
      if (row.size() == 1 && row[0].empty()) continue;
      add_row(row, line);
    }
    if (rows_ > 0 && bad_rows_ == rows_) {
      return fail(ErrorKind::Malformed, "none of its {} rows can be read, the first: {}", rows_,
                  first_bad_);
    }
    if (boxes_ > 0 && !beyond_1_) {
      labelled_.unit = BoxUnit::Shares;
      labelled_.oddities.add("tables whose corners are all 0 to 1, taken as shares of the picture",
                             fmt::format("{} boxes", boxes_));
    }
    return std::move(labelled_);
  }

 private:
  void note_unread(const std::vector<std::string>& header) {
    for (std::size_t i = 0; i < header.size(); ++i) {
      const bool is_read = std::ranges::any_of(places_, [&](const auto& at) { return at == i; });
      if (!is_read && !header[i].empty()) unread_.emplace_back(i, header[i]);
    }
  }

  [[nodiscard]] Result<void> check_places() const {
    const bool has_end = (places_[X2Column] && places_[Y2Column]) ||
                         (places_[BoxWidthColumn] && places_[BoxHeightColumn]);
    if (!places_[X1Column] || (places_[Y1Column] && has_end)) return {};
    return fail(ErrorKind::Malformed,
                "line 1: a box has only some of xmin, ymin, xmax, ymax (or x, y, width, height)");
  }

  [[nodiscard]] std::string_view cell(const std::vector<std::string>& row, CsvColumn column) const {
    const auto& place = places_[column];
    return place && *place < row.size() ? std::string_view(row[*place]) : std::string_view();
  }

  void leave_out(const char* kind, std::string place) {
    if (bad_rows_++ == 0) first_bad_ = place;
    labelled_.oddities.add(kind, std::move(place));
  }

  void add_row(const std::vector<std::string>& row, std::size_t line) {
    ++rows_;
    for (const auto& [index, name] : unread_) {
      if (index < row.size() && !row[index].empty()) ++labelled_.unread[name];
    }
    const std::string_view name = cell(row, ImageColumn);
    if (name.empty()) return leave_out("rows without an image, left out", place_of(line));
    LabelledImage& image = find_image(std::string(name));
    if (places_[SplitColumn]) image.split = name_split(cell(row, SplitColumn));
    set_side(cell(row, WidthColumn), image.width);
    set_side(cell(row, HeightColumn), image.height);
    const std::string_view tag = cell(row, TagColumn);
    if (!labelled_.has_boxes) return add_class(tag, image, line);
    std::array<std::string_view, 4> texts = {cell(row, X1Column), cell(row, Y1Column),
                                             cell(row, X2Column), cell(row, Y2Column)};
    const bool has_size = !places_[X2Column];
    if (has_size) {
      texts = {cell(row, X1Column), cell(row, Y1Column), cell(row, BoxWidthColumn),
               cell(row, BoxHeightColumn)};
    }
    if (std::ranges::all_of(texts, [](std::string_view text) { return text.empty(); })) return;
    std::array<double, 4> numbers = {};
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto number = find_number(texts[i]);
      if (!number) {
        return leave_out("rows with a corner that is not a number, left out",
                         fmt::format("{}, \"{}\"", place_of(line), texts[i]));
      }
      numbers[i] = *number;
      beyond_1_ = beyond_1_ || *number > 1.0 || *number < 0.0;
    }
    if (tag.empty()) return leave_out("rows without a tag, left out", place_of(line));
    if (has_size) {
      numbers[2] += numbers[0];
      numbers[3] += numbers[1];
    }
    if (put_corners_in_order(numbers)) {
      labelled_.oddities.add("boxes whose corners are exchanged, put in order", place_of(line));
    }
    ++boxes_;
    image.boxes.push_back({.tag = std::string(tag), .box = rectangle_between(numbers)});
  }

  void add_class(std::string_view tag, LabelledImage& image, std::size_t line) {
    if (tag.empty()) return leave_out("rows without a tag, left out", place_of(line));
    if (!image.class_tag.empty() && image.class_tag != tag) {
      labelled_.oddities.add("images with several tags, the first one taken", place_of(line));
      return;
    }
    image.class_tag = tag;
  }

  static std::string place_of(std::size_t line) { return fmt::format("row {}", line); }

  /// Leaves the side unknown where the text is not a number of pixels.
  static void set_side(std::string_view text, int& side) {
    const auto number = find_number(text);
    if (number && *number >= 1.0 && *number <= kMaxImageSide) side = static_cast<int>(*number);
  }

  LabelledImage& find_image(std::string name) {
    const auto [at, added] = index_.emplace(name, labelled_.images.size());
    if (added) {
      labelled_.images.emplace_back();
      labelled_.images.back().file_name = std::move(name);
    }
    return labelled_.images[at->second];
  }

  char separator_ = ',';
  Places places_ = {};
  std::vector<std::pair<std::size_t, std::string>> unread_ = {};
  LabelledImages labelled_ = {};
  std::unordered_map<std::string, std::size_t> index_ = {};
  std::size_t rows_ = 0;
  std::size_t bad_rows_ = 0;
  std::string first_bad_ = {};
  std::size_t boxes_ = 0;
  bool beyond_1_ = false;
};

Result<Dataset> read_csv(const DatasetOptions& options, Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(const MappedText file, MappedText::open(options.data, std::size_t{1} << 32));
  VP_ASSIGN_OR_RETURN(LabelledImages labelled, CsvReader().read(file.text()));
  std::erase_if(labelled.images, [&](const LabelledImage& image) {
    return !labelled.has_boxes && image.class_tag.empty();
  });
  return make_dataset(std::move(labelled), options, diagnostics);
}

}  // namespace

const DatasetForm csv_form = {.name = "csv", .is_file = is_csv_file, .read = read_csv};

}  // namespace visionpress
