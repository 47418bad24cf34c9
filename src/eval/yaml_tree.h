#pragma once

// YAML as data sets use it: maps, lists and texts. Anchors, aliases and tags, with which a small
// file describes a large or a foreign object, are refused.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

struct YamlNode {
  enum class Kind : std::uint8_t { Null, Text, List, Map };

  Kind kind = Kind::Null;
  int line = 0;                                               ///< from 1
  std::string text = {};                                      ///< a number too
  std::vector<YamlNode> items = {};                           ///< of a List
  std::vector<std::pair<std::string, YamlNode>> fields = {};  ///< of a Map

  /// The field of this name; null where there is none, or where this is not a map.
  [[nodiscard]] const YamlNode* find(std::string_view name) const;
};

/// Reads the first document of a text.
/// errors: Malformed with the line: for what is not YAML, an anchor, an alias, a tag, a key that is
/// not a text, more than 32 levels or more than 100,000 values.
[[nodiscard]] Result<YamlNode> read_yaml(const std::string& text);

}  // namespace visionpress
