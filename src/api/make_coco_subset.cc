#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "base/output_file.h"
#include "cloud/http_client.h"
#include "eval/coco_subset.h"
#include "eval/image.h"
#include "report/json.h"
#include "visionpress/data.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

Result<void> check(const CocoSubsetOptions& options) {
  if (options.output.empty()) return fail(ErrorKind::Usage, "no folder to write to");
  if (!(options.min_box >= 0.0 && options.min_box <= 1.0)) {
    return fail(ErrorKind::InvalidArgument, "min-box is {:g}, expected 0 to 1", options.min_box);
  }
  if (options.parallel < 1 || options.parallel > 64) {
    return fail(ErrorKind::InvalidArgument, "parallel is {}, expected 1 to 64", options.parallel);
  }
  return {};
}

/// Whether a name from a file stays in its folder, so that it may become a path.
bool is_safe_name(const std::string& name) {
  const fs::path path(name);
  if (path.empty() || path.is_absolute() || !path.has_filename()) return false;
  return std::ranges::none_of(path, [](const fs::path& part) { return part == ".."; }) &&
         name.find('\0') == std::string::npos && name.find('\\') == std::string::npos;
}

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

/// Fetches the images of a subset into a folder, several at a time.
class ImageFetcher {
 public:
  ImageFetcher(const CocoSubsetOptions& options, const CocoSubset& subset, const Progress& progress)
      : options_(options),
        subset_(subset),
        progress_(progress),
        folder_(fs::path(options.output) / "images"),
        faults_(subset.images.size()) {}

  /// Fills the counts of `result`. errors: Output; Io when the network is gone.
  [[nodiscard]] Result<void> run(CocoSubsetResult& result) {
    {
      std::vector<std::jthread> threads;
      const auto count =
          std::min<std::size_t>(static_cast<std::size_t>(options_.parallel), faults_.size());
      for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
    }
    if (stop_) return tl::unexpected<Error>(stop_error_);
    result.downloaded = downloaded_;
    result.downloaded_bytes = bytes_;
    result.kept = kept_;
    return {};
  }

  /// One entry per image: empty, or why the image could not be fetched.
  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }

 private:
  void work() {
    HttpClient client(make_curl_transport(std::chrono::seconds(options_.timeout_seconds)),
                      {.retries = options_.retries,
                       .longest_wait = std::chrono::milliseconds(30'000),
                       .longest_asked = std::chrono::seconds(120),
                       .longest_in_all = std::chrono::minutes(30)});
    while (!stop_) {
      const std::size_t index = next_++;
      if (index >= faults_.size()) return;
      if (const Result<void> fetched = fetch(client, index); !fetched) give_up(fetched.error());
      const std::lock_guard lock(mutex_);
      ++done_;
      if (progress_) progress_(done_, faults_.size(), "images");
    }
  }

  void give_up(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!stop_) stop_error_ = error;
    stop_ = true;
  }

  /// errors: those that end the whole run; a fault of this image is only noted.
  [[nodiscard]] Result<void> fetch(HttpClient& client, std::size_t index) {
    const CocoImage& image = subset_.images[index];
    const std::string path = (folder_ / image.file_name).string();
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

  const CocoSubsetOptions& options_;
  const CocoSubset& subset_;
  const Progress& progress_;
  fs::path folder_;
  std::vector<std::string> faults_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::size_t> downloaded_ = 0;
  std::atomic<std::size_t> kept_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::size_t done_ = 0;  ///< guarded by mutex_, as the next one
  Error stop_error_ = {};
};

std::string write_annotations(const CocoSubset& subset) {
  JsonValue images = JsonValue::array();
  for (const CocoImage& image : subset.images) {
    JsonValue json = {{"id", image.id},
                      {"file_name", image.file_name},
                      {"width", image.width},
                      {"height", image.height}};
    if (!image.url.empty()) json["coco_url"] = image.url;
    images.push_back(std::move(json));
  }
  JsonValue annotations = JsonValue::array();
  for (const CocoAnnotation& a : subset.annotations) {
    annotations.push_back({{"id", a.id},
                           {"image_id", a.image_id},
                           {"category_id", a.category_id},
                           {"bbox", a.box},
                           {"area", a.area},
                           {"iscrowd", a.crowd ? 1 : 0}});
  }
  JsonValue categories = JsonValue::array();
  for (const CocoCategory& category : subset.categories) {
    categories.push_back({{"id", category.id}, {"name", category.name}});
  }
  const JsonValue root = {
      {"images", images}, {"annotations", annotations}, {"categories", categories}};
  return to_json_line(root) + "\n";
}

/// Removes the images with a fault and names them in the result.
void drop_missing(const std::vector<std::string>& faults, CocoSubset& subset,
                  CocoSubsetResult& result) {
  std::set<std::int64_t> gone;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    if (faults[i].empty()) continue;
    gone.insert(subset.images[i].id);
    result.missing.push_back(fmt::format("{}: {}", subset.images[i].file_name, faults[i]));
  }
  std::erase_if(subset.images, [&](const CocoImage& image) { return gone.contains(image.id); });
  std::erase_if(subset.annotations,
                [&](const CocoAnnotation& a) { return gone.contains(a.image_id); });
}

bool has_content(const std::string& path, std::string_view text) {
  const auto file = MappedFile::open(path);
  return file && view_text(file->bytes()) == text;
}

Result<void> prepare(const CocoSubsetOptions& options, const CocoSubset& subset,
                     const std::string& annotations) {
  for (const CocoImage& image : subset.images) {
    if (is_safe_name(image.file_name)) continue;
    return fail_in(options.annotations, ErrorKind::Malformed,
                   "image {}: file_name \"{}\" leaves its folder", image.id, image.file_name);
  }
  std::error_code code;
  fs::create_directories(fs::path(options.output) / "images", code);
  if (code) {
    return fail_in(options.output, ErrorKind::Output, "cannot create: {}", code.message());
  }
  VP_RETURN_IF_ERROR(check_not_read(annotations, {{options.annotations}}));
  const bool differs =
      fs::exists(annotations, code) && !has_content(annotations, write_annotations(subset));
  if (!differs || options.overwrite || options.skip_missing) return {};
  return fail_in(annotations, ErrorKind::Output,
                 "exists already, with another content; --force overwrites it");
}

}  // namespace

Result<CocoSubsetResult> make_coco_subset(const CocoSubsetOptions& options,
                                          const Progress& progress) {
  VP_RETURN_IF_ERROR(check(options));
  VP_ASSIGN_OR_RETURN(CocoSubset subset,
                      read_coco_subset(options.annotations, {.tags = options.tags,
                                                             .min_box = options.min_box,
                                                             .max_images = options.max_images}));
  CocoSubsetResult result;
  result.annotations = (fs::path(options.output) / "annotations.json").string();
  VP_RETURN_IF_ERROR(prepare(options, subset, result.annotations));
  if (options.download) {
    ImageFetcher fetcher(options, subset, progress);
    VP_RETURN_IF_ERROR(fetcher.run(result));
    drop_missing(fetcher.faults(), subset, result);
  }
  if (!result.missing.empty() && !options.skip_missing) {
    return fail(ErrorKind::Io,
                "{} of {} images cannot be had, the first: {}; what is there is kept; "
                "--skip-missing leaves them out",
                result.missing.size(), result.missing.size() + subset.images.size(),
                result.missing.front());
  }
  const std::string text = write_annotations(subset);
  if (!has_content(result.annotations, text)) {
    VP_RETURN_IF_ERROR(write_file(result.annotations,
                                  options.overwrite ? Overwrite::Allow : Overwrite::Refuse,
                                  std::as_bytes(std::span(text))));
  }
  result.images = subset.images.size();
  result.boxes = subset.annotations.size();
  result.small_boxes = subset.small_boxes;
  result.empty_images = subset.empty_images;
  return result;
}

}  // namespace visionpress
