// Dispatches to the commands; each lives in a file of its own.

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "command_line.h"
#include "visionpress/version.h"
#include "waiting_threads.h"

namespace visionpress {
namespace {

constexpr std::array<Command, 9> kCommands = {{
    {"inspect", "what is in a model file, and what each scheme would make of it", run_inspect},
    {"compress", "write it anew with its weights in fewer bits", run_compress},
    {"convert", "make a TensorFlow Lite file of a TensorFlow frozen graph", run_convert},
    {"evaluate", "score files on labelled images: one column a file", run_evaluate},
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

}  // namespace
}  // namespace visionpress

int main(int argc, char** argv) {
  // The commands that run networks.
  constexpr std::array<std::string_view, 4> kRunning = {"evaluate", "experiment", "predict",
                                                        "serve"};
  if (argc > 1 && std::ranges::find(kRunning, argv[1]) != kRunning.end()) {
    visionpress::let_waiting_threads_sleep(argv);
  }
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is an error of write, with its name
  try {
    return static_cast<int>(visionpress::run({argv + 1, argv + argc}));
  } catch (const std::bad_alloc&) {
    std::fputs("visionpress: not enough memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "visionpress: internal error: %s\n", error.what());
  }
  return static_cast<int>(visionpress::Exit::Internal);
}
