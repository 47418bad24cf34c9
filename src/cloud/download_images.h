#pragma once

// Fetches the images of a COCO file into a folder, several at a time.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cloud/http_client.h"
#include "eval/coco_subset.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

struct DownloadOptions {
  std::string folder = {};   ///< that file names are relative to; it exists
  int parallel = 8;          ///< downloads at a time
  int retries = 8;           ///< retries per request
  int timeout_seconds = 60;  ///< a connection that moves no bytes for this long fails
  bool overwrite = false;    ///< replaces complete pictures that are other images
  /// Not set: libcurl's.
  std::function<std::unique_ptr<HttpTransport>()> make_transport = {};
};

struct Downloads {
  std::size_t downloaded = 0;
  std::uint64_t downloaded_bytes = 0;
  std::size_t kept = 0;                  ///< images that were already there and complete
  std::vector<std::string> faults = {};  ///< per image: empty, or why it could not be fetched
};

/// Fetches each image from its URL, unless it is there already.
/// errors: Output; Io when the network is gone. A fault of one image is no error.
[[nodiscard]] Result<Downloads> download_images(std::span<const CocoImage> images,
                                                const DownloadOptions& options,
                                                const Progress& progress);

}  // namespace visionpress
