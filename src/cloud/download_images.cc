#include "cloud/download_images.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/output_file.h"
#include "cloud/http_client.h"
#include "eval/image.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// Says why the file is not this image; empty if it is.
std::string find_fault(const Result<Image>& decoded, const CocoImage& image) {
  if (!decoded) return decoded.error().message;
  const bool upright = decoded->width == image.width && decoded->height == image.height;
  // The annotations may be of the picture before its EXIF orientation is applied.
  const bool turned = decoded->width == image.height && decoded->height == image.width;
  if (upright || turned) return {};
  return fmt::format("{}x{} pixels, expected {}x{}", decoded->width, decoded->height, image.width,
                     image.height);
}

class ImageFetcher {
 public:
  ImageFetcher(std::span<const CocoImage> images, const DownloadOptions& options,
               const Progress& progress)
      : images_(images), options_(options), progress_(progress), faults_(images.size()) {}

  [[nodiscard]] Result<Downloads> run() {
    {
      std::vector<std::jthread> threads;
      const auto count =
          std::min<std::size_t>(static_cast<std::size_t>(options_.parallel), faults_.size());
      for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
    }
    if (stop_) return tl::unexpected<Error>(stop_error_);
    return Downloads{.downloaded = downloaded_,
                     .downloaded_bytes = bytes_,
                     .kept = kept_,
                     .faults = std::move(faults_)};
  }

 private:
  void work() {
    const auto stall = std::chrono::seconds(options_.timeout_seconds);
    HttpClient client(
        options_.make_transport ? options_.make_transport() : make_curl_transport(stall),
        {.retries = options_.retries,
         .longest_wait = std::chrono::milliseconds(30'000),
         .longest_asked = std::chrono::seconds(120),
         .longest_in_all = std::chrono::minutes(30)});
    while (!stop_) {
      const std::size_t index = next_++;
      if (index >= faults_.size()) return;
      if (const Result<void> fetched = fetch(client, index); !fetched) {
        give_up(index, fetched.error());
      }
      const std::lock_guard lock(mutex_);
      ++done_;
      if (progress_) progress_(done_, faults_.size(), "images");
    }
  }

  /// Keeps the error of the first image in their order, whichever thread is faster: images are
  /// taken in order and each one taken is tried, so all before it have been tried too.
  void give_up(std::size_t index, const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!stop_ || index < stop_index_) {
      stop_index_ = index;
      stop_error_ = error;
    }
    stop_ = true;
  }

  /// errors: those that end the whole run; a fault of this image is only noted.
  [[nodiscard]] Result<void> fetch(HttpClient& client, std::size_t index) {
    const CocoImage& image = images_[index];
    const std::string path = (fs::path(options_.folder) / image.file_name).string();
    if (const auto there = MappedFile::open(path)) {
      const Result<Image> picture = decode_image(there->bytes());
      if (find_fault(picture, image).empty()) {
        ++kept_;
        return {};
      }
      // A download that was cut short is replaced, a complete picture is not.
      if (picture && !options_.overwrite) {
        faults_[index] = "is there and is another image; --force overwrites it";
        return {};
      }
    }
    if (image.url.empty()) {
      faults_[index] = "no coco_url";
      return {};
    }
    HttpRequest request;
    request.url = image.url;
    request.redirects = Redirects::Follow;
    const HttpReply reply = client.send(request);
    if (reply.failure == HttpFailure::NotReached || reply.failure == HttpFailure::Refused) {
      return fail(ErrorKind::Io, "{}: no answer: {}", describe_url(image.url), reply.reason);
    }
    if (!reply.is_success()) {
      faults_[index] = reply.failure != HttpFailure::None ? reply.reason
                                                          : fmt::format("status {}", reply.status);
      return {};
    }
    const Bytes bytes = std::as_bytes(std::span(reply.body));
    faults_[index] = find_fault(decode_image(bytes), image);
    if (!faults_[index].empty()) return {};
    std::error_code ignored;  // the file says why, if its folder is not there
    fs::create_directories(fs::path(path).parent_path(), ignored);
    VP_RETURN_IF_ERROR(write_file(path, Overwrite::Allow, bytes));
    ++downloaded_;
    bytes_ += bytes.size();
    return {};
  }

  std::span<const CocoImage> images_;
  const DownloadOptions& options_;
  const Progress& progress_;
  std::vector<std::string> faults_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::size_t> downloaded_ = 0;
  std::atomic<std::size_t> kept_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::size_t done_ = 0;  ///< guarded by mutex_, as the next two
  std::size_t stop_index_ = 0;
  Error stop_error_ = {};
};

}  // namespace

Result<Downloads> download_images(std::span<const CocoImage> images, const DownloadOptions& options,
                                  const Progress& progress) {
  return ImageFetcher(images, options, progress).run();
}

}  // namespace visionpress
