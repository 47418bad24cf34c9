#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/output_file.h"
#include "cloud/download_images.h"
#include "eval/coco_format.h"
#include "eval/coco_subset.h"
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

fs::path images_folder(const CocoSubsetOptions& options) {
  return fs::path(options.output) / "images";
}

bool has_content(const std::string& path, std::string_view text) {
  const auto file = MappedFile::open(path);
  return file && view_text(file->bytes()) == text;
}

Result<void> prepare(const CocoSubsetOptions& options, const CocoSubset& subset,
                     const std::string& annotations) {
  VP_RETURN_IF_ERROR(check_not_stdout(options.output));
  if (auto safe = check_file_names(subset); !safe) {
    return in_file(safe.error(), options.annotations);
  }
  std::error_code code;
  fs::create_directories(images_folder(options), code);
  if (code) {
    return fail_in(options.output, ErrorKind::Output, "cannot create: {}", code.message());
  }
  VP_RETURN_IF_ERROR(check_not_read(annotations, {{options.annotations}}));
  const bool differs =
      fs::exists(annotations, code) && !has_content(annotations, format_coco(subset));
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
    VP_ASSIGN_OR_RETURN(const Downloads downloads,
                        download_images(subset.images,
                                        {.folder = images_folder(options).string(),
                                         .parallel = options.parallel,
                                         .retries = options.retries,
                                         .timeout_seconds = options.timeout_seconds,
                                         .overwrite = options.overwrite},
                                        progress));
    result.downloaded = downloads.downloaded;
    result.downloaded_bytes = downloads.downloaded_bytes;
    result.kept = downloads.kept;
    result.missing = drop_faulty(downloads.faults, subset);
  }
  if (!result.missing.empty() && !options.skip_missing) {
    return fail(ErrorKind::Io,
                "{} of {} images cannot be had, the first: {}; what is there is kept; "
                "--skip-missing leaves them out",
                result.missing.size(), result.missing.size() + subset.images.size(),
                result.missing.front());
  }
  const std::string text = format_coco(subset);
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
