#include "cloud/pipe_signal.h"

#include <cerrno>
#include <ctime>

namespace visionpress {
namespace {

sigset_t pipe_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  return signals;
}

bool is_pending() {
  sigset_t pending;
  return ::sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

}  // namespace

PipeSignalBlock::PipeSignalBlock() : was_pending_(is_pending()) {
  const sigset_t signals = pipe_signal();
  ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
}

PipeSignalBlock::~PipeSignalBlock() {
  // One of ours must not arrive once it is let through again; one that was there before must.
  if (!was_pending_ && is_pending()) {
    const sigset_t signals = pipe_signal();
    const timespec at_once = {};
    while (::sigtimedwait(&signals, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace visionpress
