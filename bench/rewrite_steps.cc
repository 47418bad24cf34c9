// Times the steps of one rewrite, as `compress` takes them, each once in this process: milliseconds
// of reading, planning, encoding, building the file, writing it, and of the check that reads it
// back. usage: rewrite_steps MODEL SCHEME OUTPUT [threads]; OUTPUT is overwritten.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/open_model.h"
#include "package/output_set.h"
#include "press/code_store.h"
#include "press/plan.h"
#include "press/press.h"
#include "press/verify.h"
#include "press/write_verified.h"

namespace visionpress {
namespace {

/// Prints the time since the last step.
class Steps {
 public:
  void end(const char* name) {
    const auto now = std::chrono::steady_clock::now();
    std::printf("%s %.2f\n", name, std::chrono::duration<double, std::milli>(now - begin_).count());
    begin_ = now;
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

Result<void> run(const std::string& input, const std::string& scheme, const std::string& output,
                 int threads) {
  Steps steps;
  VP_ASSIGN_OR_RETURN(const OpenedModel model, open_model(input));
  steps.end("read");
  PressOptions press;
  press.threads = threads;
  VP_ASSIGN_OR_RETURN(press.form, choose_form(scheme));
  VP_ASSIGN_OR_RETURN(const Plan plan, make_plan(*model.source, press));
  steps.end("plan");
  CodeStore store(model.graph(), {.threads = threads});
  VP_ASSIGN_OR_RETURN(std::vector<PressedWeight> weights, encode_plan(plan, store));
  steps.end("encode");
  VP_ASSIGN_OR_RETURN(const FilePieces pieces,
                      rewrite_smaller(*model.source, model.bytes(), press.rewrite, weights));
  model.files.drop_pages();
  steps.end("build");
  VP_RETURN_IF_ERROR(write_verified(
      {.path = output, .kind = FileSet::Kind::File, .overwrite = Overwrite::Allow},
      {.write =
           [&](OutputSet& set) {
             Result<void> written = set.write_file(pieces.pieces);
             steps.end("write");
             return written;
           },
       .verify =
           [&](const OpenedModel& written) {
             return verify_written(*model.source, press.rewrite, weights, written.graph());
           }}));
  steps.end("check");
  return {};
}

}  // namespace
}  // namespace visionpress

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: rewrite_steps MODEL SCHEME OUTPUT [threads]\n", stderr);
    return 2;
  }
  const auto done = visionpress::run(argv[1], argv[2], argv[3], argc > 4 ? std::atoi(argv[4]) : 2);
  if (done) return 0;
  std::fprintf(stderr, "rewrite_steps: %s\n", done.error().to_string().c_str());
  return 3;
}
