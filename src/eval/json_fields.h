#pragma once

// Walking simdjson's values with a path for messages; nobody but the readers of data sets includes
// this.

#include <string>
#include <string_view>

#include "eval/dataset_parts.h"

namespace visionpress {

/// Calls read(key, value) for each field of an object.
template <typename Read>
Result<void> read_fields(simdjson::ondemand::value source, const JsonPath& path, const Read& read) {
  simdjson::ondemand::object fields;
  if (const auto code = source.get_object().get(fields); code != simdjson::SUCCESS) {
    return fail_json(path, "an object", code);
  }
  for (auto field : fields) {
    std::string_view key_view;
    simdjson::ondemand::value item;
    if (const auto code = field.unescaped_key().get(key_view); code != simdjson::SUCCESS) {
      return fail_json(path, "a key", code);
    }
    const std::string key(key_view);  // the parser reuses the key's storage
    if (const auto code = field.value().get(item); code != simdjson::SUCCESS) {
      return fail_json(path, "a value", code);
    }
    VP_RETURN_IF_ERROR(read(key, item));
  }
  return {};
}

/// Calls read(value, path) for each item of an array.
template <typename Read>
Result<void> read_items(simdjson::ondemand::value source, const JsonPath& path, const Read& read) {
  simdjson::ondemand::array items;
  if (const auto code = source.get_array().get(items); code != simdjson::SUCCESS) {
    return fail_json(path, "an array", code);
  }
  std::size_t index = 0;
  for (auto item_result : items) {
    const JsonPath item_path(path, index++);
    simdjson::ondemand::value item;
    if (const auto code = item_result.get(item); code != simdjson::SUCCESS) {
      return fail_json(item_path, "a value", code);
    }
    VP_RETURN_IF_ERROR(read(item, item_path));
  }
  return {};
}

}  // namespace visionpress
