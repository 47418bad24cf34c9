#include "eval/yaml_tree.h"

#include <algorithm>
#include <exception>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/error.h"

namespace visionpress {
namespace {

constexpr std::size_t kMaxDepth = 32;       // data.yaml has 2
constexpr std::size_t kMaxValues = 100000;  // LVIS has 1203 names

/// Leaves yaml-cpp's parser, which has no other way to be stopped; caught in read_yaml.
struct Refusal {
  int line = 0;
  std::string what = {};
};

/// Builds the tree from yaml-cpp's events, so that nothing that is refused is ever built.
class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNode take() && { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_reference(mark, {}, anchor);
    add(mark, YamlNode::Kind::Null, {});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw Refusal{mark.line, "an alias (*name)"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_reference(mark, tag, anchor);
    add(mark, YamlNode::Kind::Text, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    refuse_reference(mark, tag, anchor);
    open(mark, YamlNode::Kind::List);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    refuse_reference(mark, tag, anchor);
    open(mark, YamlNode::Kind::Map);
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  static void refuse_reference(const YAML::Mark& mark, const std::string& tag,
                               YAML::anchor_t anchor) {
    if (anchor != 0) throw Refusal{mark.line, "an anchor (&name)"};
    // yaml-cpp passes "?" where there is no tag, and "!" for a text in quotes.
    if (!tag.empty() && tag != "?" && tag != "!") throw Refusal{mark.line, "the tag " + tag};
  }

  /// The new node stays where it is while it is open: a list is only extended by the innermost.
  YamlNode* add(const YAML::Mark& mark, YamlNode::Kind kind, std::string text) {
    if (++values_ > kMaxValues) throw Refusal{mark.line, "more than 100000 values"};
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.text = std::move(text);
    if (open_.empty()) {
      root_ = std::move(node);
      return &root_;
    }
    YamlNode& parent = *open_.back();
    if (parent.kind == YamlNode::Kind::List) {
      parent.items.push_back(std::move(node));
      return &parent.items.back();
    }
    // A map's key has no value yet, which line 0 says.
    const bool awaits_value = !parent.fields.empty() && parent.fields.back().second.line == 0;
    if (awaits_value) {
      parent.fields.back().second = std::move(node);
      return &parent.fields.back().second;
    }
    if (kind != YamlNode::Kind::Text) throw Refusal{mark.line, "a key that is not a text"};
    parent.fields.emplace_back(std::move(node.text), YamlNode{});
    return nullptr;
  }

  void open(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (open_.size() >= kMaxDepth) throw Refusal{mark.line, "more than 32 levels"};
    open_.push_back(add(mark, kind, {}));
  }

  YamlNode root_ = {};
  std::vector<YamlNode*> open_ = {};
  std::size_t values_ = 0;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, [](const auto& field) { return field.first; });
  return found == fields.end() ? nullptr : &found->second;
}

Result<YamlNode> read_yaml(const std::string& text) {
  std::istringstream stream(text);
  TreeBuilder builder;
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
  } catch (const Refusal& refusal) {
    return fail(ErrorKind::Malformed, "line {}: found {}, which is not read", refusal.line + 1,
                refusal.what);
  } catch (const YAML::Exception& error) {
    return fail(ErrorKind::Malformed, "line {}: expected YAML: {}", error.mark.line + 1, error.msg);
  }
  return std::move(builder).take();
}

}  // namespace visionpress
