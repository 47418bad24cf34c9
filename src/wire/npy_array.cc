#include "wire/npy_array.h"

#include <charconv>
#include <string_view>

#include "base/error.h"

namespace visionpress {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

/// The text behind "'KEY':" in the header's dictionary; empty if it has no such key.
std::string_view find_value(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(key);
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + key.size());
  const std::size_t begin = rest.find_first_not_of(" :");
  return begin == std::string_view::npos ? std::string_view() : rest.substr(begin);
}

/// The sizes in "(2, 3), ..."; an empty list for "()".
Result<std::vector<std::int64_t>> read_shape(std::string_view text) {
  std::vector<std::int64_t> shape;
  const std::size_t end = text.find(')');
  if (text.empty() || text[0] != '(' || end == std::string_view::npos)
    return fail(ErrorKind::Malformed, "the array's header has no shape");
  std::string_view rest = text.substr(1, end - 1);
  while (true) {
    const std::size_t digit = rest.find_first_not_of(" ,");
    if (digit == std::string_view::npos) return shape;
    rest.remove_prefix(digit);
    std::int64_t size = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), size);
    constexpr std::size_t kMostAxes = 32;  // NumPy's own limit
    if (parsed.ec != std::errc() || size < 0 || shape.size() == kMostAxes) {
      return fail(ErrorKind::Malformed, "the array's header has the shape \"{}\"",
                  text.substr(0, end + 1));
    }
    rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
    shape.push_back(size);
  }
}

template <typename T>
std::vector<double> load_all(Bytes bytes, std::size_t count) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<double>(load_le<T>(bytes, i * sizeof(T)));
  return values;
}

struct ElementRow {
  std::string_view name;
  std::size_t width;
  std::vector<double> (*load)(Bytes bytes, std::size_t count);
};
constexpr ElementRow kElements[] = {
    {"<f4", 4, load_all<float>},         {"<f8", 8, load_all<double>},
    {"<i4", 4, load_all<std::int32_t>},  {"<i8", 8, load_all<std::int64_t>},
    {"<i2", 2, load_all<std::int16_t>},  {"|i1", 1, load_all<std::int8_t>},
    {"|u1", 1, load_all<std::uint8_t>},  {"|b1", 1, load_all<std::uint8_t>},
    {"<u2", 2, load_all<std::uint16_t>}, {"<u4", 4, load_all<std::uint32_t>},
};

}  // namespace

Result<NpyArray> read_npy(Bytes file) {
  constexpr std::size_t kPrefix = 8;  // magic and version
  if (file.size() < kPrefix + 4 || view_text(file).substr(0, kMagic.size()) != kMagic)
    return fail(ErrorKind::Malformed, "not a NumPy array (.npy)");
  const bool is_first = load_le<std::uint8_t>(file, 6) == 1;
  const std::size_t begin = kPrefix + (is_first ? 2 : 4);
  const std::size_t length =
      is_first ? load_le<std::uint16_t>(file, kPrefix) : load_le<std::uint32_t>(file, kPrefix);
  if (length > file.size() - begin)
    return fail(ErrorKind::Malformed, "the array's header is cut short");
  const std::string_view header = view_text(file.subspan(begin, length));
  if (find_value(header, "'fortran_order'").starts_with("True"))
    return fail(ErrorKind::Unsupported, "the array is in column-major (Fortran) order");
  const std::string_view type = find_value(header, "'descr'");
  const Bytes payload = file.subspan(begin + length);
  NpyArray array;
  VP_ASSIGN_OR_RETURN(array.shape, read_shape(find_value(header, "'shape'")));
  std::size_t count = 1;
  for (const std::int64_t size : array.shape) {
    if (size != 0 && count > payload.size() / static_cast<std::size_t>(size)) {
      return fail(ErrorKind::Malformed, "the array has {} bytes, too few for its shape",
                  payload.size());
    }
    count *= static_cast<std::size_t>(size);
  }
  for (const ElementRow& row : kElements) {
    if (type.size() < 2 || !type.substr(1).starts_with(row.name)) continue;
    if (payload.size() / row.width < count) {
      return fail(ErrorKind::Malformed, "the array has {} bytes, its {} elements need {}",
                  payload.size(), count, count * row.width);
    }
    array.values = row.load(payload, count);
    return array;
  }
  return fail(ErrorKind::Unsupported, "the array's elements are {}",
              type.substr(0, type.find(',')));
}

}  // namespace visionpress
