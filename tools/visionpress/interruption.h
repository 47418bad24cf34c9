#pragma once

#include <string>

namespace visionpress {

/// While it lives, SIGINT, SIGTERM and SIGHUP print `note` to stderr (what an interrupted command
/// has kept, and how to go on) and then end the program as they would without it. A signal that the
/// caller ignores, as `nohup` does, stays ignored. One note at a time.
class InterruptionNote {
 public:
  explicit InterruptionNote(const std::string& note);
  InterruptionNote(const InterruptionNote&) = delete;
  InterruptionNote& operator=(const InterruptionNote&) = delete;
  ~InterruptionNote();
};

}  // namespace visionpress
