#pragma once

// A folder with the files of a data set, for the tests of the forms.

#include <algorithm>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"
#include "eval/dataset.h"
#include "eval/image.h"

namespace visionpress {

class DatasetFiles : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path(name); }
  void write(const std::string& name, const std::string& text) const { folder_.write(name, text); }
  void write_image(const std::string& name, int width = 40, int height = 20) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    ASSERT_TRUE(save_image(make_image(width, height), path(name), Overwrite::Allow));
  }

  Result<Dataset> load(const std::string& name, Splits splits = Splits::All) {
    diagnostics_ = {};
    DatasetOptions options;
    options.data = path(name);
    options.splits = splits;
    return load_dataset(options, diagnostics_);
  }

  /// The message without the folder, which has a new name each time.
  std::string error_of(const std::string& name) {
    const Result<Dataset> dataset = load(name);
    return dataset ? "loaded" : without_folder(dataset.error().to_string());
  }

  /// The warnings of the last load without the folder, each on a line.
  [[nodiscard]] std::string warnings() const {
    std::string text;
    for (const std::string& warning : diagnostics_.warnings()) text += warning + "\n";
    return without_folder(std::move(text));
  }

  [[nodiscard]] std::string without_folder(std::string text) const {
    for (std::size_t at = 0; (at = text.find(folder_.path())) != std::string::npos;) {
      text.replace(at, folder_.path().size(), "DIR");
    }
    return text;
  }

  /// "NAME WxH: TAG x y width height, ...", a line per image.
  static std::string describe(const Dataset& dataset) {
    std::string text;
    for (const DatasetImage& image : dataset.images) {
      text += fmt::format("{} {}x{}:", image.file_name, image.width, image.height);
      for (const TruthBox& box : image.truths) {
        text += fmt::format(" {} {:.6g} {:.6g} {:.6g} {:.6g}",
                            dataset.tags.at(static_cast<std::size_t>(box.tag)), box.x, box.y,
                            box.width, box.height);
      }
      text += "\n";
    }
    return text;
  }

  std::string description_of(const std::string& name, Splits splits = Splits::All) {
    const Result<Dataset> dataset = load(name, splits);
    return dataset ? describe(*dataset) : without_folder(dataset.error().to_string());
  }

  TemporaryFolder folder_ = {};
  Diagnostics diagnostics_ = {};
};

}  // namespace visionpress
