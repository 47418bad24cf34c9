#include "cloud/prediction_request.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <random>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "base/error.h"
#include "base/json_text.h"
#include "cloud/custom_vision_rules.h"

namespace visionpress {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kLongestBoundary = 70;  // RFC 2046, 5.1.1

int read_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// A "%" that two digits do not follow stays one.
std::string decode_percent(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? read_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? read_digit(text[i + 2]) : -1;
    if (low < 0) {
      decoded += text[i];
      continue;
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

/// Empty ones are left out: an endpoint that ends in a slash gives paths with two.
std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string find_query_value(std::string_view query, std::string_view name) {
  for (const std::string& pair : split(query, '&')) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (ascii_lower(pair.substr(0, equals)) != name) continue;
    return decode_percent(std::string_view(pair).substr(std::min(equals + 1, pair.size())));
  }
  return {};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// A parameter of a header's value, its quotes taken off: boundary of `multipart/form-data;
/// boundary="x"`. A ";" inside quotes separates nothing.
std::optional<std::string> find_parameter(std::string_view value, std::string_view name) {
  std::size_t at = value.find(';');
  while (at < value.size()) {
    ++at;
    const std::size_t begin = at;
    bool quoted = false;
    while (at < value.size() && (quoted || value[at] != ';')) {
      if (value[at] == '"') quoted = !quoted;
      ++at;
    }
    const std::string_view parameter = value.substr(begin, at - begin);
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    if (ascii_lower(trim(parameter.substr(0, equals))) != name) continue;
    std::string_view text = trim(parameter.substr(equals + 1));
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
      text = text.substr(1, text.size() - 2);
    }
    return std::string(text);
  }
  return std::nullopt;
}

struct Part {
  std::string name = {};
  bool file = false;
  std::string_view content = {};
};

/// text: a part's lines, an empty one, then its content.
std::optional<Part> read_part(std::string_view text) {
  // The line end that closes the delimiter may be followed by the empty line at once.
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  Part part;
  part.content = text.substr(end + 4);
  for (const std::string& line : split(text.substr(0, end), '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    if (ascii_lower(trim(std::string_view(line).substr(0, colon))) != "content-disposition")
      continue;
    std::string_view value = std::string_view(line).substr(colon + 1);
    if (value.ends_with('\r')) value.remove_suffix(1);
    part.name = find_parameter(value, "name").value_or("");
    part.file = find_parameter(value, "filename").has_value();
  }
  return part;
}

std::string format_uuid(std::array<std::uint8_t, 16> bytes, int version) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | (version << 4));
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", bytes[i]);
  }
  return text;
}

std::string make_random_uuid() {
  std::random_device source;
  std::array<std::uint8_t, 16> bytes = {};
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(source());
  return format_uuid(bytes, 4);
}

/// The service says milliseconds and "Z"; Python's isoformat, in the containers, microseconds.
std::string format_now(AnswerForm form) {
  using std::chrono::system_clock;
  const auto now = system_clock::now();
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
  const auto part = since.count() % 1000000;
  const std::string second =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(system_clock::to_time_t(now)));
  return form == AnswerForm::Container ? fmt::format("{}.{:06}", second, part)
                                       : fmt::format("{}.{:03}Z", second, part / 1000);
}

double round_eight(double value) {
  constexpr double kDecimals = 1e8;
  return std::round(value * kDecimals) / kDecimals;
}

OrderedJson describe_box(const EndpointBox& box) {
  const double left = std::clamp(box.left, 0.0, 1.0);
  const double top = std::clamp(box.top, 0.0, 1.0);
  const double right = std::clamp(box.left + box.width, left, 1.0);
  const double bottom = std::clamp(box.top + box.height, top, 1.0);
  return {{"left", left}, {"top", top}, {"width", right - left}, {"height", bottom - top}};
}

OrderedJson describe_container_prediction(const EndpointPrediction& prediction) {
  OrderedJson box = nullptr;
  if (prediction.box) {
    box = describe_box(*prediction.box);
    for (OrderedJson& side : box) side = round_eight(side.get<double>());
  }
  const OrderedJson tag_id = prediction.box ? OrderedJson(prediction.tag_index) : OrderedJson("");
  return {{"probability", round_eight(prediction.probability)},
          {"tagId", tag_id},
          {"tagName", prediction.tag},
          {"boundingBox", std::move(box)}};
}

OrderedJson describe_service_prediction(const EndpointPrediction& prediction) {
  OrderedJson one = {{"probability", prediction.probability},
                     {"tagId", make_name_uuid("tag", prediction.tag)},
                     {"tagName", prediction.tag}};
  if (prediction.box) one["boundingBox"] = describe_box(*prediction.box);
  one["tagType"] = "Regular";
  return one;
}

/// words: image or url, alone, after a project's name, or after PROJECT/detect|classify/iterations/
/// NAME.
bool is_container_path(const std::vector<std::string>& words) {
  if (words.size() <= 2) return true;
  constexpr std::size_t kLongForm = 5;
  return words.size() == kLongForm && (words[1] == "detect" || words[1] == "classify") &&
         words[2] == "iterations";
}

}  // namespace

std::optional<PredictionRoute> find_prediction_route(std::string_view target) {
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string_view query = target.substr(std::min(mark + 1, target.size()));
  std::vector<std::string> parts = split(target.substr(0, mark), '/');
  std::vector<std::string> words;  // the same, for comparing
  for (std::string& part : parts) {
    part = decode_percent(part);
    words.push_back(ascii_lower(part));
  }
  if (!words.empty() && words.back() == "nostore") words.pop_back();  // nothing is ever stored
  PredictionRoute route;
  if (words.empty() || (words.back() != "image" && words.back() != "url")) return {};
  route.by_url = words.back() == "url";
  if (is_container_path(words)) {
    route.form = AnswerForm::Container;
    return route;
  }
  if (words.size() < 5 || words[0] != "customvision" || words[2] != "prediction") return {};
  route.project = parts[3];
  if (words[1] == "v2.0") {
    if (words.size() != 5) return {};
    route.iteration = find_query_value(query, "iterationid");
    return route;
  }
  if ((words[1] != "v3.0" && words[1] != "v3.1") || words.size() != 8) return {};
  if ((words[4] != "detect" && words[4] != "classify") || words[5] != "iterations") return {};
  route.task = words[4] == "detect" ? Task::Detection : Task::Classification;
  route.iteration = parts[6];
  return route;
}

bool is_media_type(std::string_view content_type, std::string_view type) {
  return ascii_lower(trim(content_type.substr(0, content_type.find(';')))) == type;
}

Result<std::string_view> find_image_part(std::string_view body, std::string_view content_type) {
  const auto boundary = find_parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kLongestBoundary) {
    return fail(ErrorKind::Malformed,
                "the multipart body's type names no boundary of 1 to {} letters", kLongestBoundary);
  }
  const std::string line = "--" + *boundary;
  const std::string delimiter = "\r\n" + line;
  std::size_t at = 0;
  if (!body.starts_with(line)) {
    at = body.find(delimiter);  // what stands before the first is no part
    if (at == std::string_view::npos) {
      return fail(ErrorKind::Malformed, "the multipart body has no line of its boundary");
    }
    at += 2;
  }
  std::optional<std::string_view> first_file;
  while (true) {
    at += line.size();
    if (body.substr(at).starts_with("--")) break;
    const std::size_t end = body.find(delimiter, at);
    if (end == std::string_view::npos) {
      return fail(ErrorKind::Malformed, "the multipart body ends inside a part");
    }
    const auto part = read_part(body.substr(at, end - at));
    if (!part) return fail(ErrorKind::Malformed, "a part of the multipart body has no empty line");
    if (part->name == "imageData") return part->content;
    if (part->file && !first_file) first_file = part->content;
    at = end + 2;
  }
  if (first_file) return *first_file;
  return fail(ErrorKind::Malformed, "the multipart body has no part named imageData");
}

Result<std::string> read_image_url(std::string_view body) {
  const auto json = parse_json<nlohmann::json>(body);
  if (!json.is_object()) {
    return fail(ErrorKind::Malformed, "the body is no JSON object, expected {{\"url\": \"...\"}}");
  }
  for (const auto& [key, value] : json.items()) {
    if (ascii_lower(key) == "url" && value.is_string()) return value.get<std::string>();
  }
  return fail(ErrorKind::Malformed, "the body has no text \"url\", expected {{\"url\": \"...\"}}");
}

std::string format_predictions(const PredictionRoute& route,
                               const std::vector<EndpointPrediction>& predictions) {
  const bool is_container = route.form == AnswerForm::Container;
  OrderedJson list = OrderedJson::array();
  for (const EndpointPrediction& prediction : predictions) {
    list.push_back(is_container ? describe_container_prediction(prediction)
                                : describe_service_prediction(prediction));
  }
  const auto name_iteration = [&route] {
    return is_uuid(route.iteration) ? route.iteration
                                    : make_name_uuid("iteration", route.iteration);
  };
  const OrderedJson answer = {{"id", is_container ? "" : make_random_uuid()},
                              {"project", route.project},
                              {"iteration", is_container ? "" : name_iteration()},
                              {"created", format_now(route.form)},
                              {"predictions", std::move(list)}};
  return to_json_line(answer);
}

std::string format_service_error(std::string_view code, std::string_view message) {
  return to_json_line(OrderedJson{{"code", code}, {"message", message}});
}

std::string format_gateway_error(std::string_view code, std::string_view message) {
  return to_json_line(OrderedJson{
      {"error", {{"code", code}, {"message", message}}}, {"code", code}, {"message", message}});
}

std::string make_name_uuid(std::string_view kind, std::string_view name) {
  // FNV-1a over the text, once a half with another start: short, and the same everywhere.
  constexpr std::uint64_t kPrime = 0x100000001B3;
  std::array<std::uint64_t, 2> halves = {0xCBF29CE484222325, 0x84222325CBF29CE4};
  for (std::uint64_t& half : halves) {
    for (const std::string_view text : {kind, std::string_view("/"), name}) {
      for (const char c : text) half = (half ^ static_cast<std::uint8_t>(c)) * kPrime;
    }
    half ^= half >> 32;
    half *= kPrime;
    half ^= half >> 29;
  }
  std::array<std::uint8_t, 16> bytes = {};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(halves[i / 8] >> (56 - 8 * (i % 8)));
  }
  return format_uuid(bytes, 8);
}

}  // namespace visionpress
