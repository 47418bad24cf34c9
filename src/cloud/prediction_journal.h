#pragma once

// The service's answers of a call that was stopped, a line an image, so that none is asked (and
// paid for) twice.

#include <string>
#include <unordered_map>
#include <vector>

#include "cloud/custom_vision_prediction.h"
#include "cloud/line_journal.h"
#include "visionpress/result.h"

namespace visionpress {

class PredictionJournal {
 public:
  /// Reads PATH where it was written for the same `asked` (who is asked, and how), and goes on in
  /// it; makes it where there is none. path: empty: nothing is kept.
  /// errors: as LineJournal::open; Output for the answers of another call, which stay.
  [[nodiscard]] static Result<PredictionJournal> open(const std::string& path,
                                                      const std::string& asked);

  [[nodiscard]] const std::string& path() const { return lines_.path(); }
  /// Images whose answers are in it.
  [[nodiscard]] std::size_t size() const { return answers_.size(); }
  /// content: the image's SHA-1. Null: not there.
  [[nodiscard]] const std::vector<CloudDetection>* find(const std::string& content) const;
  /// On disk when it returns. errors: Output.
  [[nodiscard]] Result<void> add(const std::string& content,
                                 const std::vector<CloudDetection>& answers);
  /// Every answer is where it belongs: the file goes.
  void remove() { lines_.remove(); }

 private:
  LineJournal lines_ = {};
  std::unordered_map<std::string, std::vector<CloudDetection>> answers_ = {};  ///< by content
};

}  // namespace visionpress
