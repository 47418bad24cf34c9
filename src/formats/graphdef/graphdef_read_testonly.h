#pragma once

// Reads a GraphDef that a test has built.

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "base/buffer.h"
#include "formats/graphdef/graphdef_build_testonly.h"
#include "formats/graphdef/graphdef_reader.h"

namespace visionpress {

inline Result<std::unique_ptr<SourceModel>> try_read(Bytes file, const ReadOptions& options = {}) {
  Diagnostics diagnostics;
  return read_graphdef(file, options, diagnostics);
}

/// The graph of a file that must be readable.
inline Graph graph_of(const ByteBuffer& file, const ReadOptions& options = {}) {
  const auto model = try_read(file, options);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? (*model)->graph() : Graph();
}

/// The input of most graphs of tests: 4x4 pixels of two channels.
inline Message image() { return placeholder("image", {-1, 4, 4, 2}); }

/// The graph of "image" -> one node "out", with these constants.
inline Graph graph_of_one(const Message& node, std::vector<Message> constants = {}) {
  constants.insert(constants.begin(), image());
  constants.push_back(node);
  return graph_of(graph_file(constants));
}

}  // namespace visionpress
