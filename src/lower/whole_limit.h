#pragma once

#include <cstdint>
#include <string_view>

namespace visionpress {

/// A run holds whole numbers as float32, which holds each of them below this (2^24). From it on, a
/// float may stand for a neighbouring number.
inline constexpr std::int64_t kWholeLimit = std::int64_t{1} << 24;

/// The rule as every message gives it.
inline constexpr std::string_view kWholeLimitRule =
    "whole numbers are run below 16777216, where float32 holds each of them";

}  // namespace visionpress
