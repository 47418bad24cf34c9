#pragma once

// What the service has acknowledged of an upload, a line an image, so that a stopped upload goes
// on.

#include <string>
#include <unordered_map>

#include "cloud/line_journal.h"
#include "visionpress/result.h"

namespace visionpress {

class UploadJournal {
 public:
  /// Reads FOLDER/upload-PROJECT.jsonl, where there is one, and goes on in it.
  /// folder: made where it is missing; empty: nothing is kept. project: an id in the service's
  /// form. errors: as LineJournal::open; Malformed for an id that is none.
  [[nodiscard]] static Result<UploadJournal> open(const std::string& folder,
                                                  const std::string& project);

  /// content: of the image and of what is said about it; another content is another image.
  [[nodiscard]] bool has(const std::string& name, const std::string& content) const;
  /// On disk when it returns. errors: Output.
  [[nodiscard]] Result<void> add(const std::string& name, const std::string& content,
                                 const std::string& image_id);

 private:
  LineJournal lines_ = {};
  std::unordered_map<std::string, std::string> contents_ = {};  ///< by name
};

}  // namespace visionpress
