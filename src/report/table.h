#pragma once

#include <optional>
#include <string>
#include <vector>

namespace visionpress {

/// Cells of text; the first column names the rows.
struct Table {
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};  ///< each as long as `header`
};

/// The widest line of a text table; more columns than fit become blocks under each other.
constexpr std::size_t kReportColumns = 100;

enum class Alignment { Numbers, Words };

/// First column to the left; the others to the right for Numbers, to the left for Words.
[[nodiscard]] std::string format_text(const Table& table, Alignment alignment);
[[nodiscard]] std::string format_markdown(const Table& table, Alignment alignment);
/// RFC 4180: quoted where a cell needs it; lines end in \n.
[[nodiscard]] std::string format_csv(const Table& table);

/// Digits of shares: a point of AP is 0.01, and limits of a drop are given in tenths of a point.
constexpr int kShareDigits = 4;

/// `digits` after the point, or a dash where there is no value.
[[nodiscard]] std::string format_number(const std::optional<double>& value, int digits);
/// "0.41 [-0.08, 0.93]"; without a whole interval "0.41".
[[nodiscard]] std::string format_points(const std::optional<double>& points,
                                        const std::optional<double>& low,
                                        const std::optional<double>& high);
/// "[64,3,3,3]"
[[nodiscard]] std::string format_shape(const std::vector<std::int64_t>& shape);
/// The last part of a path.
[[nodiscard]] std::string base_name(const std::string& path);

}  // namespace visionpress
