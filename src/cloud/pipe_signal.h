#pragma once

#include <csignal>

namespace visionpress {

/// While it lives, a write by this thread (or by threads that it starts) into what the other side
/// has closed is an error of that write, and SIGPIPE does not end the program. OpenSSL writes that
/// way, below libcurl; what the process does about the signal elsewhere is not ours to change.
class PipeSignalBlock {
 public:
  PipeSignalBlock();
  ~PipeSignalBlock();
  PipeSignalBlock(const PipeSignalBlock&) = delete;
  PipeSignalBlock& operator=(const PipeSignalBlock&) = delete;

 private:
  sigset_t before_ = {};
  bool was_pending_ = false;
};

}  // namespace visionpress
