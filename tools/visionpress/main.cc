// Dispatches to the commands; each lives in a file of its own.

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

#include "command_line.h"
#include "visionpress/process.h"
#include "visionpress/version.h"

namespace visionpress {
namespace {

constexpr std::array<Command, 11> kCommands = {{
    {"inspect", "what is in a model file, and what each scheme would make of it", run_inspect},
    {"compress", "rewrite a model file with its weights in fewer bits", run_compress},
    {"convert", "make a TensorFlow Lite file of a TensorFlow frozen graph or SavedModel",
     run_convert},
    {"evaluate", "score files on labelled images: one column per file", run_evaluate},
    {"fit", "choose the bits of each weight to meet a size or a quality", run_fit},
    {"sensitivity", "how much the outputs change when one weight takes fewer bits",
     run_sensitivity},
    {"experiment", "exports, their compressed forms and the service, side by side", run_experiment},
    {"predict", "what a model sees in images", run_predict},
    {"serve", "answer Custom Vision's prediction calls on this machine", run_serve},
    {"cloud", "Custom Vision: upload, train, export, predict", run_cloud},
    {"data", "make data sets", run_data},
}};

std::string describe_commands(bool all) {
  std::string text =
      "Makes exported vision models small enough for an app, and shows what that cost.\n"
      "Usage: visionpress COMMAND [OPTIONS] FILE...\n\nCommands:\n";
  text += list_commands(kCommands);
  text +=
      "\n-h: help, --help: more help, --version: the version; COMMAND -h: the command's options\n";
  if (!all) return text;
  return text +
         "\nFrom an export to a smaller file, and what that cost:\n"
         "  visionpress compress model.mlmodel --weights linear-8\n"
         "  visionpress evaluate model.mlmodel model.linear-8.mlmodel --data annotations.json\n"
         "\nExit codes: 0 done, 1 a measured result misses --max-drop, 2 usage, 3 input, 4 "
         "output,\n"
         "5 internal. stdout carries the result, stderr everything else.\n";
}

Exit run(const Arguments& arguments) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "--version") {
    return print_result(std::string("visionpress ") + version() + "\n");
  }
  return run_one_of(kCommands, "visionpress", describe_commands(first == "--help"), arguments);
}

constexpr int kInternal = static_cast<int>(Exit::Internal);

/// Set once main has its exit code. An exit before that comes from a library.
std::atomic<bool> has_ended = false;

[[noreturn]] void end_program(const char* why) {
  std::fprintf(stderr, "visionpress: %s\n", why);
  std::fflush(stdout);
  std::_Exit(kInternal);
}

/// Libraries that cannot have a thread or memory end the program by themselves: OpenBLAS with exit
/// code 1, which would say that a result misses --max-drop.
void refuse_foreign_exit() {
  if (has_ended) return;
  end_program(
      "the system gave no more threads or memory (the line above says to whom); --threads 1 needs "
      "the least");
}

/// oneDNN 2.6 reads through a null pointer where it gets no memory for the code it makes. A fault
/// while the system refuses memory is that; any other stays a fault. Calls only what a handler may.
void end_without_memory(int signal) {
  constexpr std::size_t kProbe = std::size_t{16} << 20;  // bytes; a primitive's code takes less
  void* probe = ::mmap(nullptr, kProbe, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (probe == MAP_FAILED) {
    constexpr std::string_view kText = "visionpress: not enough memory\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText.data(), kText.size());
    ::_exit(kInternal);
  }
  ::munmap(probe, kProbe);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

/// An exception that nothing catches, as in a thread of a loop.
[[noreturn]] void end_uncaught() {
  try {
    if (const auto exception = std::current_exception()) std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    end_program("not enough memory");
  } catch (const std::system_error& error) {
    end_program(error.code() == std::errc::resource_unavailable_try_again
                    ? "the system gave no more threads; --threads 1 needs the least"
                    : error.what());
  } catch (const std::exception& error) {
    end_program(error.what());
  } catch (...) {
  }
  end_program("internal error");
}

Exit run_caught(const Arguments& arguments) {
  try {
    return run(arguments);
  } catch (const std::bad_alloc&) {
    std::fputs("visionpress: not enough memory\n", stderr);
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again) {
      std::fputs("visionpress: the system gave no more threads; --threads 1 needs the least\n",
                 stderr);
    } else {
      std::fprintf(stderr, "visionpress: internal error: %s\n", error.what());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "visionpress: internal error: %s\n", error.what());
  }
  return Exit::Internal;
}

}  // namespace
}  // namespace visionpress

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is an error of write, with its name
  visionpress::end_on_lost_input();
#ifndef __SANITIZE_ADDRESS__  // which reports faults itself
  std::signal(SIGSEGV, visionpress::end_without_memory);
#endif
  std::set_terminate(visionpress::end_uncaught);
  std::atexit(visionpress::refuse_foreign_exit);
  const auto exit = static_cast<int>(visionpress::run_caught({argv + 1, argv + argc}));
  visionpress::has_ended = true;
  return exit;
}
