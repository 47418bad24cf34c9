#pragma once

// The heads that are known, in the order in which they are asked.

#include <array>

#include "eval/heads/heads.h"

namespace visionpress {

// Each stands in the file of its name.
extern const HeadKind tiny_yolo_v2_head;
extern const HeadKind yolov5_head;
extern const HeadKind yolov8_head;
extern const HeadKind yolox_head;
extern const HeadKind ssd_postprocess_head;

inline constexpr std::array kHeads = {&tiny_yolo_v2_head, &yolov8_head, &yolov5_head, &yolox_head,
                                      &ssd_postprocess_head};

/// What Ultralytics' exports take: RGB shares of 255 in a letterbox.
inline constexpr HeadPixels kLetterboxedShares = {.color = ColorOrder::Rgb,
                                                  .rule = ResizeRule::Letterbox,
                                                  .std = 255.0F,
                                                  .source = "as Ultralytics' own scripts"};

}  // namespace visionpress
