#include "interruption.h"

#include <array>
#include <csignal>
#include <cstddef>

#include <unistd.h>

#include "visionpress/report.h"

namespace visionpress {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

/// What the handler prints, which may not allocate. Written before the handler is set.
std::string& printed_note() {
  static std::string text;
  return text;
}
const char* note_begin = nullptr;
std::size_t note_size = 0;

/// Runs with the default action already restored (SA_RESETHAND).
void print_and_end(int signal) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, note_begin, note_size);
  ::raise(signal);
}

}  // namespace

InterruptionNote::InterruptionNote(const std::string& note) {
  std::string& text = printed_note();
  // On a terminal the cursor stands behind the progress or behind "^C".
  text = ::isatty(STDERR_FILENO) == 1 ? "\n" : "";
  text += "visionpress: stopped; " + escape_unprintable_text(note) + "\n";
  note_begin = text.data();
  note_size = text.size();
  for (const int signal : kSignals) {
    struct sigaction old = {};
    if (::sigaction(signal, nullptr, &old) != 0 || old.sa_handler == SIG_IGN) continue;
    struct sigaction action = {};
    action.sa_handler = print_and_end;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(signal, &action, nullptr);
  }
}

InterruptionNote::~InterruptionNote() {
  for (const int signal : kSignals) {
    struct sigaction set = {};
    if (::sigaction(signal, nullptr, &set) == 0 && set.sa_handler == print_and_end)
      std::signal(signal, SIG_DFL);
  }
}

}  // namespace visionpress
