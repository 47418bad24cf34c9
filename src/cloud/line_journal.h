#pragma once

// A file of JSON lines that outlives a call: what a service has answered, so that a call that was
// stopped, or killed, goes on there. It is only ever appended to: whatever ends the program, a line
// that `add` has acknowledged is read by the next call.

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "visionpress/result.h"

namespace visionpress {

class LineJournal {
 public:
  using Json = nlohmann::ordered_json;

  /// How a journal is told from any other file.
  // NOLINTNEXTLINE(bugprone-exception-escape): the JSON value's move checks itself, and is noexcept
  struct Form {
    Json head = {};  ///< first line of a new journal
    /// Whether the first line of a file is one of this call's journal.
    std::function<bool(const Json&)> is_own = {};
    std::string what = {};  ///< what the file should be, in messages: "answers of this call"
  };

  /// One that keeps nothing.
  LineJournal() = default;
  /// Opens the journal, or makes it. A last line that was cut off is as if it were not there.
  /// errors: Output when it cannot be written, is a symbolic or hard link, a pipe or the like, is
  /// another call's, or is being written by another call. The file is then as it was.
  [[nodiscard]] static Result<LineJournal> open(const std::string& path, const Form& form);

  [[nodiscard]] const std::string& path() const { return path_; }
  /// All lines but the head, in their order; those that are no JSON objects are left out.
  [[nodiscard]] std::vector<Json> take_lines() { return std::move(lines_); }
  /// On disk when it returns. errors: Output.
  [[nodiscard]] Result<void> add(const Json& line);
  /// What it holds is where it belongs: the file goes.
  void remove();

 private:
  [[nodiscard]] Result<void> read(const Form& form);
  [[nodiscard]] Result<void> write_line(const std::string& text);
  [[nodiscard]] tl::unexpected<Error> refuse(const std::string& why) const;

  std::string path_ = {};
  Descriptor file_{};
  bool is_cut_off_ = false;  ///< the file ends within a line
  std::vector<Json> lines_ = {};
};

}  // namespace visionpress
