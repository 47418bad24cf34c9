#pragma once

/// What lies in a package of several files: MediaPipe's .task and other archives of several models,
/// and Core ML packages (.mlpackage).

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/model.h"
#include "visionpress/result.h"

namespace visionpress {

/// A file of the package.
struct PackagePart {
  std::string name = {};
  std::uint64_t bytes = 0;
  bool is_model = false;  ///< PACKAGE:NAME opens it
  std::string what =
      {};  ///< "TFLite", "a ZIP archive"; of a model that cannot be opened, the reason
  std::vector<ValueInfo> inputs = {};
  std::vector<ValueInfo> outputs = {};
  std::size_t layers = 0;
};

/// A function of an ML Program.
struct ProgramFunction {
  std::string name = {};
  std::string opset = {};  ///< "CoreML6"
  std::size_t operations = 0;
  std::map<std::string, std::size_t> operators = {};  ///< how many operations of each type
};

struct PackageListing {
  std::string file = {};
  std::string kind = {};    ///< "an archive of 2 models", "a Core ML package (ML Program)"
  std::string advice = {};  ///< how to go on with it
  std::uint64_t bytes = 0;  ///< of all parts
  std::vector<PackagePart> parts = {};
  std::string version = {};        ///< Core ML: "specification version 7 (iOS 16, macOS 13)"
  std::uint64_t weight_bytes = 0;  ///< Core ML: of the files of weights
  std::vector<ProgramFunction> functions = {};
  std::vector<std::string> warnings = {};
};

/// Lists a package without running anything. Nothing where `file` is a single model or an export of
/// one: `inspect` describes it. errors: Io; Malformed for a damaged archive or package.
[[nodiscard]] Result<std::optional<PackageListing>> list_package(const std::string& file);

}  // namespace visionpress
