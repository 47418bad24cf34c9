#include "infer/run_images.h"

#include <atomic>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace visionpress {
namespace {

/// The state of one thread.
struct Worker {
  Session session;
  std::vector<float> input;
};

Result<void> run_image(const ModelRunner& runner, const Image& image, std::size_t index,
                       const PartsOf& parts_of, const OnPart& on_part, Worker& worker) {
  const std::vector<ImageView> parts =
      parts_of ? parts_of(index, image) : std::vector<ImageView>{view_image(image)};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Placement placement = apply_preprocess(runner.preprocess, parts[i], worker.input);
    VP_RETURN_IF_ERROR(worker.session.run(worker.input));
    VP_RETURN_IF_ERROR(on_part({.image = index,
                                .part = i,
                                .pixels = &image,
                                .placement = placement,
                                .input = worker.input,
                                .outputs = &worker.session.outputs()}));
  }
  return {};
}

/// Makes one worker for each thread that has an image to process.
Result<std::vector<Worker>> make_workers(const ModelRunner& runner, std::size_t images,
                                         int threads) {
  const std::size_t count =
      std::clamp<std::size_t>(images, 1, static_cast<std::size_t>(std::max(1, threads)));
  std::vector<Worker> workers;
  workers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    // Images in parallel, each on one thread: decoding and resizing then keep every core busy too.
    VP_ASSIGN_OR_RETURN(Session session, runner.executor->make_session(images == 1 ? threads : 1));
    workers.push_back({std::move(session), std::vector<float>(runner.preprocess.value_count())});
  }
  return workers;
}

}  // namespace

Result<void> run_images(const ModelRunner& runner, const std::vector<std::string>& paths,
                        const PartsOf& parts_of, const OnPart& on_part,
                        const RunImagesOptions& options) {
  VP_ASSIGN_OR_RETURN(std::vector<Worker> workers,
                      make_workers(runner, paths.size(), options.threads));
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::atomic<std::size_t> failed_at{kNone};
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t done = 0;
  std::optional<Error> first_error;
  const auto work = [&](Worker& worker) {
    // No image after a failed one is started, but all before it finish: so the first error in order
    // is found at any number of threads.
    for (std::size_t i = next++; i < paths.size() && i < failed_at.load(); i = next++) {
      const Result<Image> image = load_image(paths[i], {}, enough_pixels(runner.preprocess));
      Result<void> ran;
      if (image) {
        ran = run_image(runner, *image, i, parts_of, on_part, worker);
      } else if (!options.on_bad) {
        Error error = image.error();
        error.message += options.bad_hint;
        ran = tl::unexpected<Error>(std::move(error));
      }
      const std::scoped_lock lock(mutex);
      if (!image && options.on_bad) options.on_bad(i, image.error());
      if (!ran && i < failed_at.load()) {
        failed_at = i;
        first_error = ran.error();
        if (first_error->file.empty()) first_error->file = paths[i];
      }
      ++done;
      if (options.on_done && ran) options.on_done(i);
      if (options.progress) options.progress(done, paths.size(), options.what);
    }
  };
  {
    // Plain threads, not the program's team: a session that has several threads uses the team.
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < workers.size(); ++i)
      others.emplace_back(work, std::ref(workers[i]));
    work(workers.front());
  }
  if (first_error) return tl::unexpected<Error>(std::move(*first_error));
  return {};
}

}  // namespace visionpress
