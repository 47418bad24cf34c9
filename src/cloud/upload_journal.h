#pragma once

// What the service has acknowledged of an upload, a line an image, so that a stopped upload goes
// on.

#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>

#include "visionpress/result.h"

namespace visionpress {

class UploadJournal {
 public:
  /// Reads FOLDER/upload-PROJECT.jsonl, where there is one, and goes on in it. A last line that was
  /// cut off is as if it were not there. folder: made where it is missing; empty: nothing is kept.
  /// errors: Output when it cannot be written.
  [[nodiscard]] static Result<UploadJournal> open(const std::string& folder,
                                                  const std::string& project);

  /// content: of the image and of what is said about it; another content is another image.
  [[nodiscard]] bool has(const std::string& name, const std::string& content) const;
  /// On disk when it returns. errors: Output.
  [[nodiscard]] Result<void> add(const std::string& name, const std::string& content,
                                 const std::string& image_id);

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_ = {};
  std::unique_ptr<std::FILE, Closer> file_ = nullptr;
  std::unordered_map<std::string, std::string> contents_ = {};  ///< by name
};

}  // namespace visionpress
