#include "eval/bad_images.h"

#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "eval/image.h"

namespace visionpress {
namespace {

/// Moves the elements at `kept` (ascending) to the front and drops the others.
template <typename T>
void keep_only(const std::vector<std::size_t>& kept, std::vector<T>& all) {
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (i != kept[i]) all[i] = std::move(all[kept[i]]);
  }
  all.resize(kept.size());
}

}  // namespace

BadImages find_bad_images(const Dataset& dataset, int threads, const Progress& progress) {
  const std::vector<DatasetImage>& images = dataset.images;
  BadImages bad;
  std::mutex mutex;
  std::size_t done = 0;
  parallel_for(images.size(), threads, [&](std::size_t i) {
    const Result<Image> image = load_image(images[i].path);
    const std::scoped_lock lock(mutex);
    if (!image) bad.emplace(i, image.error());
    if (progress) progress(++done, images.size(), "looking for images that cannot be decoded");
  });
  return bad;
}

Result<void> leave_out(const BadImages& bad, Dataset& dataset, std::vector<Column>& columns,
                       Diagnostics& diagnostics) {
  if (bad.empty()) return {};
  std::vector<std::size_t> kept;  // old indices
  std::vector<std::uint32_t> moved(dataset.images.size());
  for (std::size_t i = 0; i < dataset.images.size(); ++i) {
    moved[i] = static_cast<std::uint32_t>(kept.size());
    if (!bad.contains(i)) kept.push_back(i);
  }
  const Error& first = bad.begin()->second;
  if (kept.empty()) return tl::unexpected<Error>(first);
  diagnostics.warn(fmt::format("{} of {} images cannot be decoded and are left out, the first: {}",
                               bad.size(), dataset.images.size(), first.to_string()));
  for (Column& column : columns) {
    if (!column.predictions.detections.empty()) keep_only(kept, column.predictions.detections);
    std::vector<ClassSample>& classes = column.predictions.classes;
    std::erase_if(classes, [&bad](const ClassSample& s) { return bad.contains(s.image); });
    for (ClassSample& sample : classes) sample.image = moved[sample.image];
  }
  for (const auto& [index, error] : bad) note_left_out(dataset, dataset.images[index]);
  keep_only(kept, dataset.images);
  return {};
}

}  // namespace visionpress
