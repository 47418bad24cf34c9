#pragma once

// Whether a classifier's values are probabilities, as reports call them ("probability" in JSON and
// CSV, --probability).

#include <mutex>
#include <span>
#include <string>

namespace visionpress {

/// Collects the values of all images; any thread may add.
class ClassValues {
 public:
  /// values: of one image. Values that are not finite say nothing.
  void add(std::span<const float> values);

  /// Says that values lie outside 0..1, or that those of an image do not sum to 1; else empty.
  [[nodiscard]] std::string describe_oddity() const;

 private:
  std::mutex mutex_ = {};
  bool is_seen_ = false;
  double lowest_ = 0.0;
  double highest_ = 0.0;
  double farthest_sum_ = 1.0;  ///< the sum of one image's values that is farthest from 1
};

}  // namespace visionpress
