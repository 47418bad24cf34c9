#include "formats/input_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "base/mapped_file.h"
#include "wire/npy_array.h"

namespace visionpress {
namespace {

struct Range {
  double least = 0.0;
  double most = 0.0;
};

/// The range of an integer type, as far as a double holds it exactly; nothing for other types.
std::optional<Range> range_of(DType dtype) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  switch (dtype) {
    case DType::Int8:
      return Range{-128.0, 127.0};
    case DType::UInt8:
      return Range{0.0, 255.0};
    case DType::Int16:
      return Range{-32768.0, 32767.0};
    case DType::Int32:
      return Range{-2147483648.0, 2147483647.0};
    case DType::Int64:
      return Range{-kExact, kExact};
    default:
      return std::nullopt;
  }
}

/// The value as the type holds it; nothing if the type does not have it.
std::optional<double> convert(double value, DType dtype) {
  if (dtype == DType::Bool)
    return value == 0.0 || value == 1.0 ? std::optional(value) : std::nullopt;
  if (const auto range = range_of(dtype)) {
    const bool fits = value == std::floor(value) && value >= range->least && value <= range->most;
    return fits ? std::optional(value) : std::nullopt;
  }
  const auto single = static_cast<float>(value);
  return std::isfinite(single) ? std::optional(static_cast<double>(single)) : std::nullopt;
}

std::optional<double> parse_value(std::string_view text, DType dtype) {
  if (dtype == DType::Bool) {
    if (text == "true" || text == "True") return 1.0;
    if (text == "false" || text == "False") return 0.0;
  }
  double value = 0.0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  return convert(value, dtype);
}

Result<InputValues> load_array(const InputSetting& setting, DType dtype,
                               const std::optional<Shape>& shape) {
  auto file = MappedFile::open(setting.value);
  // The caller puts the model's name before the message, so the array's stands in it.
  if (!file) return fail(file.error().kind, "{}: {}", setting.value, file.error().message);
  auto array = read_npy(file->bytes());
  if (!array) return fail(array.error().kind, "{}: {}", setting.value, array.error().message);
  const bool fits =
      !shape || std::equal(shape->begin(), shape->end(), array->shape.begin(), array->shape.end(),
                           [](std::int64_t wanted, std::int64_t size) {
                             return wanted < 0 || wanted == size;
                           });
  if (!fits) {
    return fail(ErrorKind::Usage, "input \"{}\" has the shape {}, {} has {}", setting.name,
                to_string(*shape), setting.value, to_string(array->shape));
  }
  for (double& value : array->values) {
    const auto converted = convert(value, dtype);
    if (!converted) {
      return fail(ErrorKind::Usage, "input \"{}\" is {}, which has no value {} of {}", setting.name,
                  name_of(dtype), value, setting.value);
    }
    value = *converted;
  }
  return InputValues{std::move(array->shape), std::move(array->values)};
}

}  // namespace

bool can_be_set(DType dtype) {
  return dtype == DType::Bool || dtype == DType::Float32 || range_of(dtype).has_value();
}

Result<InputValues> load_input_values(const InputSetting& setting, DType dtype,
                                      const std::optional<Shape>& shape) {
  if (setting.value.ends_with(".npy")) return load_array(setting, dtype, shape);
  const auto value = parse_value(setting.value, dtype);
  if (!value) {
    return fail(ErrorKind::Usage, "input \"{}\" is {}, which has no value \"{}\"{}", setting.name,
                name_of(dtype), setting.value,
                dtype == DType::Bool ? "; true and false are its values" : "");
  }
  Shape filled = shape.value_or(Shape());
  if (!filled.empty() && filled[0] == -1) filled[0] = 1;  // an open batch is one image
  const auto count = element_count(filled);
  constexpr std::int64_t kMost = std::int64_t{1} << 26;
  if (!count || *count < 1 || *count > kMost) {
    return fail(ErrorKind::Usage, "input \"{}\" has the shape {}: an array gives it, NAME=FILE.npy",
                setting.name, to_string(filled));
  }
  return InputValues{filled, std::vector<double>(static_cast<std::size_t>(*count), *value)};
}

}  // namespace visionpress
