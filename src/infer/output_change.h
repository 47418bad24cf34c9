#pragma once

// How far a model's outputs are from those of the original on the same images. It tells two files
// apart where boxes and classes, which count few events, do not.
//
//   OutputChange change(dataset.images.size());
//   ... run_dataset(original, {.on_part = change.keep()}) ...
//   change.start();
//   ... run_dataset(copy, {.on_part = change.compare()}) ...
//   const double share = change.result();

#include <cstddef>
#include <vector>

#include "infer/run_images.h"

namespace visionpress {

class OutputChange {
 public:
  /// Looks at 200 images at most, spread evenly, to bound the memory.
  explicit OutputChange(std::size_t images);

  /// Both are called as OnPart, and borrow this object.
  [[nodiscard]] OnPart keep();
  [[nodiscard]] OnPart compare();
  /// Before the images of each copy.
  void start();
  /// Squared error of the copy's outputs as a share of the original's squares, over all images;
  /// infinity where one of them is not finite, 0 where nothing was compared.
  [[nodiscard]] double result() const;

 private:
  struct ImageSums {
    double noise = 0.0;
    double signal = 0.0;
  };
  [[nodiscard]] bool looks_at(std::size_t image) const { return image % step_ == 0; }

  std::size_t step_;
  /// By image, part and output.
  std::vector<std::vector<std::vector<std::vector<float>>>> original_;
  std::vector<ImageSums> sums_;
};

}  // namespace visionpress
