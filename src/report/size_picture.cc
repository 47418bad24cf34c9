#include "report/size_picture.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "visionpress/report.h"

namespace visionpress {
namespace {

constexpr double kWidth = 760.0;
constexpr double kHeight = 440.0;
constexpr double kLeft = 70.0;
constexpr double kRight = 24.0;
constexpr double kTop = 20.0;
constexpr double kBottom = 56.0;

struct Range {
  double least = 0.0;
  double most = 1.0;

  [[nodiscard]] double share(double value) const { return (value - least) / (most - least); }
};

/// XML of a text.
std::string escape(const std::string& text) {
  std::string out;
  for (const char c : escape_unprintable_text(text)) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

/// The next round step: 1, 2 or 5 times a power of ten.
double round_step(double step) {
  const double power = std::pow(10.0, std::floor(std::log10(step)));
  for (const double digit : {1.0, 2.0, 5.0}) {
    if (digit * power >= step) return digit * power;
  }
  return 10.0 * power;
}

class Picture {
 public:
  Picture(const std::vector<SizePoint>& points, const std::string& score_name)
      : points_(points), score_name_(score_name) {
    std::ranges::sort(points_, {}, &SizePoint::bytes);
    bytes_.least = std::log(static_cast<double>(std::max<std::uint64_t>(points_.front().bytes, 1)));
    bytes_.most = std::log(static_cast<double>(std::max<std::uint64_t>(points_.back().bytes, 1)));
    scores_.least = points_.front().score;
    scores_.most = scores_.least;
    for (const SizePoint& point : points_) {
      scores_.least = std::min({scores_.least, point.score, point.low.value_or(point.score)});
      scores_.most = std::max({scores_.most, point.score, point.high.value_or(point.score)});
    }
    widen(bytes_, 0.12, 0.5);
    widen(scores_, 0.1, 0.01);
  }

  std::string draw() {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" "
        "height=\"{1:g}\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        kWidth, kHeight);
    draw_axes();
    draw_line();
    for (const SizePoint& point : points_) draw_point(point);
    place_labels();
    return text_ + "</svg>\n";
  }

 private:
  static void widen(Range& range, double share, double least) {
    const double margin = std::max((range.most - range.least) * share, least / 2.0);
    range.least -= margin;
    range.most += margin;
  }
  [[nodiscard]] double x(std::uint64_t bytes) const {
    return kLeft + bytes_.share(std::log(static_cast<double>(std::max<std::uint64_t>(bytes, 1)))) *
                       (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y(double score) const {
    return kHeight - kBottom - scores_.share(score) * (kHeight - kTop - kBottom);
  }

  void draw_axes() {
    const double bottom = kHeight - kBottom;
    const double step = round_step((scores_.most - scores_.least) / 6.0);
    for (double at = std::ceil(scores_.least / step); at * step <= scores_.most; at += 1.0) {
      const double line = y(at * step);
      text_ += fmt::format(
          "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>"
          "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.{}f}</text>\n",
          kLeft, line, kWidth - kRight, line, kLeft - 8.0, line + 4.0, at * step,
          step < 0.01 ? 3 : 2);
    }
    for (const std::uint64_t bytes : list_sizes()) {
      text_ += fmt::format(
          "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"#ddd\"/>"
          "<text x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4}</text>\n",
          x(bytes), kTop, bottom, bottom + 18.0, short_size(bytes));
    }
    text_ += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">size of the file</text>\n"
        "<text transform=\"translate(18 {:.1f}) rotate(-90)\" "
        "text-anchor=\"middle\">{}</text>\n",
        (kLeft + kWidth - kRight) / 2.0, kHeight - 14.0, (kTop + bottom) / 2.0,
        escape(score_name_));
  }

  /// Round sizes for the axis: 1, 2 and 5 times powers of ten.
  [[nodiscard]] std::vector<std::uint64_t> list_sizes() const {
    std::vector<std::uint64_t> sizes;
    for (std::uint64_t power = 1; power <= 1000000000000000U; power *= 10) {
      for (const std::uint64_t digit : {1U, 2U, 5U}) {
        const double at = std::log(static_cast<double>(digit * power));
        if (at >= bytes_.least && at <= bytes_.most) sizes.push_back(digit * power);
      }
    }
    return sizes;
  }
  static std::string short_size(std::uint64_t bytes) {
    if (bytes >= 1000000) return fmt::format("{:g} MB", static_cast<double>(bytes) / 1e6);
    if (bytes >= 1000) return fmt::format("{:g} kB", static_cast<double>(bytes) / 1e3);
    return fmt::format("{} bytes", bytes);
  }

  void draw_line() {
    std::string path;
    for (const SizePoint& point : points_) {
      if (!point.is_ours) continue;
      path +=
          fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x(point.bytes), y(point.score));
    }
    text_ +=
        fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"#1f6fb4\" opacity=\"0.5\"/>\n", path);
  }

  void draw_point(const SizePoint& point) {
    const double at = x(point.bytes);
    if (point.low && point.high) {
      text_ += fmt::format(
          "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"#1f6fb4\" "
          "opacity=\"0.4\"/>\n",
          at, y(*point.low), y(*point.high));
    }
    text_ += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\" stroke=\"{}\"><title>{}{}, "
        "{:.4f}</title></circle>\n",
        at, y(point.score), point.is_ours ? "#1f6fb4" : "white",
        point.is_ours ? "#1f6fb4" : "#b4451f",
        point.label.empty() ? "" : escape(point.label) + ": ", format_bytes(point.bytes),
        point.score);
  }

  /// Beside each point, where no label stands yet.
  void place_labels() {
    struct Box {
      double left, top, right, bottom;
    };
    std::vector<Box> taken;
    for (const SizePoint& point : points_) {
      taken.push_back(
          {x(point.bytes) - 6, y(point.score) - 6, x(point.bytes) + 6, y(point.score) + 6});
    }
    const auto is_free = [&](const Box& box) {
      const bool is_inside = box.left > kLeft && box.right < kWidth - 2 && box.top > 2 &&
                             box.bottom < kHeight - kBottom;
      return is_inside && std::ranges::none_of(taken, [&](const Box& other) {
               return box.left < other.right && other.left < box.right && box.top < other.bottom &&
                      other.top < box.bottom;
             });
    };
    for (const SizePoint& point : points_) {
      const double width = 6.2 * static_cast<double>(point.label.size());
      const double px = x(point.bytes);
      const double py = y(point.score);
      const std::array<std::array<double, 2>, 6> places = {{{px + 9, py + 4},
                                                            {px + 9, py - 9},
                                                            {px + 9, py + 17},
                                                            {px - 9 - width, py + 4},
                                                            {px - width / 2, py - 11},
                                                            {px - width / 2, py + 20}}};
      for (const auto& [left, base] : places) {
        const Box box = {left, base - 10, left + width, base + 3};
        if (!is_free(box)) continue;
        taken.push_back(box);
        text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\">{}</text>\n", left, base,
                             point.is_ours ? "#0d3a5f" : "#7a2d12", escape(point.label));
        break;
      }
    }
  }

  std::vector<SizePoint> points_;
  std::string score_name_;
  Range bytes_ = {};
  Range scores_ = {};
  std::string text_ = {};
};

}  // namespace

std::string draw_size_picture(const std::vector<SizePoint>& points, const std::string& score_name) {
  return Picture(points, score_name).draw();
}

}  // namespace visionpress
