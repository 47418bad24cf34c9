#include "visionpress/picture.h"

#include <charconv>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/output_file.h"
#include "report/size_picture.h"

namespace visionpress {
namespace {

/// What the vertical axis shows.
struct ScoreKind {
  const char* name = "";
  std::optional<double> ModelScore::*score = nullptr;
};

ScoreKind choose_score(const ModelScore& first) {
  if (first.ap) return {"mAP", &ModelScore::ap};
  if (first.top1) return {"top-1", &ModelScore::top1};
  return {"agreement with the original", &ModelScore::agreement};
}

SizePoint make_point(const ModelScore& model, const ScoreKind& kind, const ModelScore& first,
                     std::string label) {
  SizePoint point;
  point.label = std::move(label);
  point.bytes = model.bytes;
  // The first file agrees with itself.
  point.score = (model.*kind.score).value_or(1.0);
  if (kind.score == &ModelScore::agreement) {
    point.low = model.agreement_low;
    point.high = model.agreement_high;
    return point;
  }
  const auto& drop = model.drop();
  if (drop && drop->low && drop->high) {
    const double base = (first.*kind.score).value_or(point.score);
    point.low = base - *drop->high / 100.0;
    point.high = base - *drop->low / 100.0;
  }
  return point;
}

template <typename T>
bool read_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// label,bytes,score; a label may not hold a comma.
Result<std::vector<SizePoint>> read_points(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  std::string_view rest = view_text(file.bytes());
  std::vector<SizePoint> points;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line == "label,bytes,score")) continue;
    const std::size_t first = line.find(',');
    const std::size_t second = first == std::string_view::npos ? first : line.find(',', first + 1);
    SizePoint point;
    point.is_ours = false;
    if (second == std::string_view::npos ||
        !read_number(line.substr(first + 1, second - first - 1), point.bytes) ||
        !read_number(line.substr(second + 1), point.score) || point.bytes == 0 ||
        !(point.score >= 0.0 && point.score <= 1.0)) {
      return fail_in(path, ErrorKind::Malformed,
                     "line {}: \"{}\", expected label,bytes,score with a score of 0 to 1", number,
                     line);
    }
    point.label = line.substr(0, first);
    points.push_back(std::move(point));
  }
  return points;
}

Result<void> save(std::vector<SizePoint> points, const char* score_name,
                  const PictureOptions& options) {
  if (points.size() < 2) {
    return fail_in(options.path, ErrorKind::Usage,
                   "a picture needs two files with a size and a score, and there {} {}",
                   points.size() == 1 ? "is" : "are", points.size());
  }
  VP_RETURN_IF_ERROR(check_picture(options));
  if (!options.points.empty()) {
    VP_ASSIGN_OR_RETURN(const std::vector<SizePoint> others, read_points(options.points));
    points.insert(points.end(), others.begin(), others.end());
  }
  const std::string text = draw_size_picture(points, score_name);
  return write_file(options.path, options.overwrite ? Overwrite::Allow : Overwrite::Refuse,
                    std::as_bytes(std::span(text)));
}

}  // namespace

Result<void> check_picture(const PictureOptions& options) {
  if (!options.path.ends_with(".svg")) {
    return fail_in(options.path, ErrorKind::Usage,
                   "a picture is an SVG drawing; expected a name that ends in .svg");
  }
  std::error_code ignored;
  if (!options.overwrite && std::filesystem::exists(options.path, ignored)) {
    VP_RETURN_IF_ERROR(OutputFile::create(options.path, Overwrite::Refuse));
  }
  if (options.points.empty()) return {};
  VP_RETURN_IF_ERROR(check_not_read(options.path, std::span(&options.points, 1)));
  VP_RETURN_IF_ERROR(read_points(options.points));
  return {};
}

Result<void> save_picture(const EvaluateResult& result, const PictureOptions& options) {
  std::vector<SizePoint> points;
  if (result.models.empty()) return save(points, "", options);
  const ModelScore& first = result.models.front();
  const ScoreKind kind = choose_score(first);
  for (const ModelScore& model : result.models) {
    if (model.bytes == 0 || model.format == "predictions") continue;
    if (!(model.*kind.score) && &model != &first) continue;
    points.push_back(
        make_point(model, kind, first, std::filesystem::path(model.file).filename().native()));
  }
  return save(std::move(points), kind.name, options);
}

Result<void> save_picture(const FitResult& result, const PictureOptions& options) {
  std::vector<SizePoint> points;
  if (result.candidates.empty()) return save(points, "", options);
  const ScoreKind kind = choose_score(result.original);
  points.push_back(make_point(result.original, kind, result.original, "original"));
  for (std::size_t i = 0; i < result.candidates.size(); ++i) {
    ModelScore score = result.candidates[i].score;
    score.bytes = result.candidates[i].bytes;
    points.push_back(make_point(score, kind, result.original, i == result.best ? "best" : ""));
  }
  return save(std::move(points), kind.name, options);
}

}  // namespace visionpress
