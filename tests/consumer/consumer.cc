// Every public header, and calls that link every layer.

#include <cstdio>
#include <cstring>

#include <visionpress/cloud.h>
#include <visionpress/compress.h>
#include <visionpress/convert.h>
#include <visionpress/data.h>
#include <visionpress/evaluate.h>
#include <visionpress/experiment.h>
#include <visionpress/model.h>
#include <visionpress/predict.h>
#include <visionpress/process.h>
#include <visionpress/report.h>
#include <visionpress/result.h>
#include <visionpress/serve.h>
#include <visionpress/version.h>

int main(int argc, char** argv) {
  visionpress::end_on_lost_input();
  if (argc != 3 || std::strcmp(visionpress::version(), argv[1]) != 0) {
    std::printf("expected version %s, found %s\n", argc > 1 ? argv[1] : "?",
                visionpress::version());
    return 1;
  }
  if (visionpress::schemes().empty()) return 1;
  const auto info = visionpress::inspect(argv[2]);
  const auto score = visionpress::evaluate({argv[2]}, {}, {});
  const auto seen = visionpress::predict(argv[2], {"none.png"}, {});
  if (info || score || seen) return 1;
  visionpress::ExperimentOptions cropped;
  cropped.exports = {argv[2]};
  cropped.evaluate.data = argv[2];
  cropped.evaluate.crops = true;
  cropped.results = "results";
  const auto refused = visionpress::experiment(cropped, {});
  if (refused || refused.error().kind != visionpress::ErrorKind::Usage) return 1;
  std::printf("%s\n", info.error().to_string().c_str());
  return 0;
}
