// For tests/makers: runs one piece of the eval layer on files, so that Python can compare it.
//   eval_probe decode IMAGE OUT            raw RGB; prints "width height"
//   eval_probe size IMAGE                  prints "width height"
//   eval_probe resize IMAGE FILTER W H OUT  FILTER: nearest, bilinear, bicubic, plain
//   eval_probe score DATA PREDICTIONS      prints ap, ap50, then a line a tag: tag ap ap50 truth tp
//   predicted eval_probe bootstrap DATA PREDICTIONS PREDICTIONS eval_probe yolo DATA OUT.json RAW C
//   H W   RAW: float32 [images, C, H, W] in the data set's order eval_probe time IMAGE ms to
//   decode, to resize to 416x416, to apply all
// An image need not exist for score and bootstrap.

#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/parallel.h"
#include "eval/bootstrap.h"
#include "eval/coco_ap.h"
#include "eval/dataset.h"
#include "eval/heads/heads.h"
#include "eval/image.h"
#include "eval/image_frame.h"
#include "eval/predictions.h"
#include "eval/preprocess.h"
#include "eval/resize_image.h"
#include "eval/threshold_metrics.h"

namespace visionpress {
namespace {

using Arguments = std::vector<std::string>;

Result<void> write_raw(const std::string& path, const Image& image) {
  std::cout << image.width << " " << image.height << "\n";
  return write_file(path, Overwrite::Allow, std::as_bytes(std::span(image.rgb)));
}

Result<void> run_decode(const Arguments& arguments) {
  VP_ASSIGN_OR_RETURN(const Image image, load_image(arguments.at(0)));
  return write_raw(arguments.at(1), image);
}

Result<void> run_size(const Arguments& arguments) {
  VP_ASSIGN_OR_RETURN(const ImageSize size, load_image_size(arguments.at(0)));
  std::cout << size.width << " " << size.height << "\n";
  return {};
}

Result<void> run_resize(const Arguments& arguments) {
  VP_ASSIGN_OR_RETURN(const Image image, load_image(arguments.at(0)));
  const std::string& name = arguments.at(1);
  const int width = std::stoi(arguments.at(2));
  const int height = std::stoi(arguments.at(3));
  if (name == "plain") {
    return write_raw(arguments.at(4), resize_plain_bilinear(view_image(image), width, height));
  }
  const ResizeFilter filter = name == "nearest"    ? ResizeFilter::Nearest
                              : name == "bilinear" ? ResizeFilter::Bilinear
                                                   : ResizeFilter::Bicubic;
  return write_raw(arguments.at(4), resize_image(view_image(image), width, height, filter));
}

Result<Dataset> load(const std::string& path) {
  DatasetOptions options;
  options.data = path;
  options.image_need = ImageNeed::Optional;
  Diagnostics diagnostics;
  return load_dataset(options, diagnostics);
}

Result<void> run_score(const Arguments& arguments) {
  VP_ASSIGN_OR_RETURN(const Dataset dataset, load(arguments.at(0)));
  Diagnostics diagnostics;
  VP_ASSIGN_OR_RETURN(const Predictions predictions,
                      load_predictions(arguments.at(1), dataset, diagnostics));
  const ApMatches matches = match_for_ap(dataset, predictions.detections);
  const std::vector<ApScore> scores = score_each_ap(matches, dataset.images.size());
  const ApScore mean = find_mean_ap(scores);
  const auto tags = score_at_threshold(dataset, predictions.detections, {});
  std::cout << fmt::format("{} {}\n", mean.ap.value_or(-1), mean.ap50.value_or(-1));
  for (const std::string& warning : diagnostics.warnings()) std::cerr << warning << "\n";
  for (std::size_t t = 0; t < tags.size(); ++t) {
    const ApScore& score = scores[t];
    std::cout << fmt::format("{} {} {} {} {} {}\n", tags[t].tag, score.ap.value_or(-1),
                             score.ap50.value_or(-1), tags[t].truth, tags[t].true_positives,
                             tags[t].predicted);
  }
  return {};
}

double elapsed_ms(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since)
      .count();
}

Result<void> run_bootstrap(const Arguments& arguments) {
  VP_ASSIGN_OR_RETURN(const Dataset dataset, load(arguments.at(0)));
  Diagnostics diagnostics;
  VP_ASSIGN_OR_RETURN(const Predictions first,
                      load_predictions(arguments.at(1), dataset, diagnostics));
  VP_ASSIGN_OR_RETURN(const Predictions second,
                      load_predictions(arguments.at(2), dataset, diagnostics));
  const auto start = std::chrono::steady_clock::now();
  const int threads = default_thread_count();
  const ApMatches a = match_for_ap(dataset, first.detections, kMaxPerTag, threads);
  const ApMatches b = match_for_ap(dataset, second.detections, kMaxPerTag, threads);
  const auto scores = resample(dataset.images.size(), {.threads = threads},
                               {[&a](const Draws& draws) { return draw_mean_ap(a, draws); },
                                [&b](const Draws& draws) { return draw_mean_ap(b, draws); }});
  const auto difference = bootstrap_difference(scores[1], scores[0]);
  if (!difference) return fail(ErrorKind::Malformed, "no truth");
  std::cout << fmt::format("{} {} {} {}\n", difference->points, difference->low.value_or(0.0),
                           difference->high.value_or(0.0), elapsed_ms(start));
  return {};
}

Result<void> run_yolo(const Arguments& arguments) {
  VP_ASSIGN_OR_RETURN(const Dataset dataset, load(arguments.at(0)));
  VP_ASSIGN_OR_RETURN(const MappedFile raw, MappedFile::open(arguments.at(2)));
  const Shape shape = {1, std::stoll(arguments.at(3)), std::stoll(arguments.at(4)),
                       std::stoll(arguments.at(5))};
  constexpr int kStride = 32;  // pixels of the input for each cell
  NetworkOutline network;
  network.outputs = {{.name = "raw", .shape = shape}};
  network.input_height = kStride * static_cast<int>(shape[2]);
  network.input_width = kStride * static_cast<int>(shape[3]);
  network.label_count = dataset.tags.size();
  VP_ASSIGN_OR_RETURN(const Head head, recognise_head(network));
  std::vector<float> values(static_cast<std::size_t>(shape[1] * shape[2] * shape[3]));
  const std::size_t bytes = values.size() * sizeof(float);
  if (raw.bytes().size() != bytes * dataset.images.size()) {
    return fail(ErrorKind::Malformed, "{} bytes for {} images", raw.bytes().size(),
                dataset.images.size());
  }
  Predictions predictions;
  double ms = 0.0;
  for (std::size_t i = 0; i < dataset.images.size(); ++i) {
    std::memcpy(values.data(), raw.bytes().data() + i * bytes, bytes);
    const auto start = std::chrono::steady_clock::now();
    const OutputView output = {.name = "raw", .shape = shape, .values = values};
    Detections detections = find_boxes(head, {&output, 1}, {}, frame_of(dataset.images[i]), {});
    ms += elapsed_ms(start);
    predictions.detections.push_back(std::move(detections));
  }
  std::cout << fmt::format("{} ms per image\n", ms / static_cast<double>(dataset.images.size()));
  return save_predictions(predictions, dataset, arguments.at(1), Overwrite::Allow);
}

Result<void> run_time(const Arguments& arguments) {
  constexpr int kRuns = 50;
  InputInfo input;
  input.width = 416;
  input.height = 416;
  VP_ASSIGN_OR_RETURN(const Preprocess how,
                      choose_preprocess(input, Layout::ChannelsFirst, PreprocessUse::Detector, {}));
  std::vector<float> values(how.value_count());
  std::array<double, 3> ms = {};
  for (int run = 0; run < kRuns; ++run) {
    auto start = std::chrono::steady_clock::now();
    VP_ASSIGN_OR_RETURN(const Image image, load_image(arguments.at(0)));
    ms[0] += elapsed_ms(start);
    start = std::chrono::steady_clock::now();
    const Image resized = resize_image(view_image(image), 416, 416, ResizeFilter::Bilinear);
    ms[1] += elapsed_ms(start);
    start = std::chrono::steady_clock::now();
    std::ignore = apply_preprocess(how, view_image(image), values);
    ms[2] += elapsed_ms(start);
  }
  std::cout << fmt::format("decode {:.3f} resize {:.3f} apply {:.3f}\n", ms[0] / kRuns,
                           ms[1] / kRuns, ms[2] / kRuns);
  return {};
}

Result<void> run(const std::string& command, const Arguments& arguments) {
  if (command == "decode") return run_decode(arguments);
  if (command == "size") return run_size(arguments);
  if (command == "resize") return run_resize(arguments);
  if (command == "score") return run_score(arguments);
  if (command == "bootstrap") return run_bootstrap(arguments);
  if (command == "yolo") return run_yolo(arguments);
  if (command == "time") return run_time(arguments);
  return fail(ErrorKind::Usage, "unknown command {}", command);
}

}  // namespace
}  // namespace visionpress

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) return 2;
  try {
    const auto done = visionpress::run(words[0], {words.begin() + 1, words.end()});
    if (done) return 0;
    std::cerr << done.error().to_string() << "\n";
  } catch (const std::exception& error) {
    std::cerr << words[0] << ": missing or bad argument: " << error.what() << "\n";
  }
  return 1;
}
