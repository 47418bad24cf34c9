#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <malloc.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "command_line.h"
#include "visionpress/serve.h"

namespace visionpress {
namespace {

constexpr std::size_t kMostKeyBytes = 64 << 10;

/// Keys are separated by line breaks or commas; spaces around a key are dropped.
std::vector<std::string> split_keys(const std::string& text) {
  std::vector<std::string> keys;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find_first_of(",\r\n", at), text.size());
    const std::size_t begin = std::min(text.find_first_not_of(" \t", at), end);
    std::size_t stop = end;
    while (stop > begin && (text[stop - 1] == ' ' || text[stop - 1] == '\t')) --stop;
    if (stop > begin) keys.push_back(text.substr(begin, stop - begin));
    at = end + 1;
  }
  return keys;
}

Result<std::string> read_descriptor(int descriptor) {
  std::string text;
  std::array<char, 4096> part = {};
  while (true) {
    const ssize_t count = ::read(descriptor, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return tl::unexpected<Error>(Error{ErrorKind::Usage,
                                         "cannot read keys from descriptor " +
                                             std::to_string(descriptor) + ": " +
                                             std::strerror(errno),
                                         {},
                                         std::nullopt});
    }
    if (count == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(count));
    if (text.size() > kMostKeyBytes) {
      return tl::unexpected<Error>(
          Error{ErrorKind::Usage, "more than 64 KiB of keys", {}, std::nullopt});
    }
  }
}

/// descriptor: negative where none was given; then the environment is asked.
Result<std::vector<std::string>> load_keys(int descriptor) {
  std::string text;
  const char* variable = std::getenv("VISIONPRESS_SERVE_KEYS");
  if (descriptor >= 0) {
    auto read = read_descriptor(descriptor);
    if (!read) return tl::unexpected<Error>(std::move(read).error());
    text = std::move(*read);
  } else if (variable != nullptr) {
    text = variable;
  } else {
    return std::vector<std::string>{};
  }
  auto keys = split_keys(text);
  if (!keys.empty()) return keys;
  // A key source was given but is empty: fail closed.
  return tl::unexpected<Error>(
      Error{ErrorKind::Usage, "no key in VISIONPRESS_SERVE_KEYS or --keys-fd", {}, std::nullopt});
}

void add_server_options(CLI::App& app, ServeOptions& options) {
  app.add_option("--port", options.port, "Port to listen on; 0 picks a free one")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--host", options.host, "Address to listen on; 0.0.0.0 lets other machines in")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option("--labels", options.labels,
                 "Label file, one tag per line; default: in the model, else labels.txt or "
                 "NAME_labels.txt beside it")
      ->type_name("FILE");
  app.add_option("--probability", options.probability, "Answer detections above this probability")
      ->capture_default_str();
  app.add_option("--workers", options.workers, "Images run at the same time; 0: as many as threads")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--nms-iou", options.nms_iou,
                 "Of two boxes of one tag that overlap more than this, drop the weaker")
      ->capture_default_str()
      ->group(kMore);
  app.add_option("--max-detections", options.max_detections,
                 "Most boxes answered per image; 0: all")
      ->capture_default_str()
      ->check(check_count)
      ->group(kMore);
  app.add_option("--connections", options.connections,
                 "Images received or run at the same time; others wait")
      ->type_name("N")
      ->capture_default_str()
      ->group(kMore);
  app.add_option("--receive-seconds", options.receive_seconds,
                 "Seconds that a request may take to arrive")
      ->capture_default_str()
      ->group(kMore);
  app.add_option("--answer-seconds", options.answer_seconds,
                 "Seconds that its answer may then take")
      ->capture_default_str()
      ->group(kMore);
}

/// The signals that end a server, for `sigwait`. Threads inherit the mask, so none of them is ever
/// interrupted.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// Each connection is a descriptor; a shell gives 1024, and the system usually allows more.
void allow_descriptors() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Ends the process within a second of the signal, even if running work does not check for the stop
/// in time (one layer of a large network, a library's call).
void end_within_a_second() {
  constexpr suseconds_t kMicroseconds = 900'000;
  std::signal(SIGALRM, [](int) { ::_exit(static_cast<int>(Exit::Done)); });
  const itimerval time = {{0, 0}, {0, kMicroseconds}};
  ::setitimer(ITIMER_REAL, &time, nullptr);
}

}  // namespace

Exit run_serve(const Arguments& arguments) {
  CommandLine line("serve", "Answers Custom Vision's prediction calls on this machine.",
                   "  visionpress serve model.mlmodel --port 8000\n"
                   "  VISIONPRESS_SERVE_KEYS=secret visionpress serve model.tflite --host 0.0.0.0");
  std::string model;
  ServeOptions options;
  OutputOptions output;
  int keys_descriptor = -1;
  CLI::App& app = line.app();
  app.add_option("FILE", model, kModelHelp)->required();
  add_server_options(app, options);
  app.add_flag("--allow-url,!--no-url", options.fetches_urls,
               "Take calls that name an image by its address, and fetch it where that is public");
  app.add_option(
         "--keys-fd", keys_descriptor,
         "Read the keys that callers must send, one per line, from this descriptor; default: "
         "from VISIONPRESS_SERVE_KEYS, else callers need none")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("FD");
  add_threads(app, options.threads);
  app.add_flag("-q,--quiet", output.quiet, "No warnings")->group(kMore);
  add_run_options(line, options.arithmetic, options.preprocess);
  if (const auto exit = line.parse(arguments)) return *exit;

  auto keys = load_keys(keys_descriptor);
  if (!keys) return report_error(keys.error());
  options.keys = std::move(*keys);
  // Bodies and pictures are made by one thread and freed by another, and each thread's arena would
  // keep what was freed in it. They differ in size; a fixed threshold sends each back to the
  // system, where the adaptive one would leave their gaps in the heap for hours before it stops
  // growing.
  constexpr int kMappedBytes = 64 << 10;
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  allow_descriptors();
  const sigset_t signals = block_stop_signals();
  std::signal(SIGPIPE, SIG_IGN);  // who reads our output may leave, and others are still served
  auto server = PredictionServer::start(model, options);
  if (!server) return report_error(server.error());
  std::vector<std::string> warnings = server->warnings();
  const bool is_local =
      options.host.starts_with("127.") || options.host == "localhost" || options.host == "::1";
  if (!is_local && options.keys.empty()) {
    warnings.emplace_back("other machines can ask, and no key is set");
  }
  print_warnings(warnings, output);
  if (!output.quiet) std::fprintf(stderr, "%s\n", server->description().c_str());
  const Exit printed = print_result("listening on " + server->address() + "\n");
  if (printed != Exit::Done) return printed;
  int signal = 0;
  sigwait(&signals, &signal);
  // They stay blocked: supervisors send one to the process and one to its group, and what has begun
  // ends by itself soon.
  end_within_a_second();
  server->stop();
  return Exit::Done;
}

}  // namespace visionpress
