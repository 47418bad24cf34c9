#include "eval/yaml_tree.h"

#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

std::string error_of(const std::string& text) {
  const auto tree = read_yaml(text);
  return tree ? "read" : tree.error().message;
}

TEST(YamlTree, MapsListsAndTextsAreRead) {
  const auto tree = read_yaml("a: 1\nb:\n  - x\n  - [y, 'z']\n  - {c: , d: \"e\"}\nf:\n");
  ASSERT_TRUE(tree) << tree.error().to_string();
  EXPECT_EQ(tree->find("a")->text, "1");
  const YamlNode& list = *tree->find("b");
  ASSERT_EQ(list.items.size(), 3U);
  EXPECT_EQ(list.line, 3);
  EXPECT_EQ(list.items[0].text, "x");
  EXPECT_EQ(list.items[1].items.at(1).text, "z");
  EXPECT_EQ(list.items[2].find("c")->kind, YamlNode::Kind::Null);
  EXPECT_EQ(list.items[2].find("d")->text, "e");
  EXPECT_EQ(tree->find("f")->kind, YamlNode::Kind::Null);
  EXPECT_EQ(tree->find("g"), nullptr);
  EXPECT_EQ(read_yaml("")->kind, YamlNode::Kind::Null);
}

TEST(YamlTree, WhatMakesALargeOrForeignObjectIsRefused) {
  EXPECT_EQ(error_of("a: 1\nb: &c [1]\n"), "line 2: found an anchor (&name), which is not read");
  EXPECT_EQ(error_of("a: !!python/object/apply:os.system [x]\n"),
            "line 1: found the tag tag:yaml.org,2002:python/object/apply:os.system, which is not "
            "read");
  EXPECT_EQ(error_of("? [1, 2]\n: 3\n"),
            "line 1: found a key that is not a text, which is not read");
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "- ";
  EXPECT_EQ(error_of(deep + "x"), "line 1: found more than 32 levels, which is not read");
  EXPECT_NE(error_of(std::string(1000000, '[')), "read");
  EXPECT_TRUE(error_of("a: [1").starts_with("line 1: expected YAML: "));
  EXPECT_TRUE(error_of("a: *b").starts_with("line 1: "));
  std::string many = "a:\n";
  for (int i = 0; i < 100001; ++i) many += "- 1\n";
  EXPECT_TRUE(error_of(many).ends_with("found more than 100000 values, which is not read"));
}

}  // namespace
}  // namespace visionpress
