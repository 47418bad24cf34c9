#include "infer/open_input.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "codecs/not_finite.h"

namespace visionpress {

namespace {

/// Checks a size that the user asked for.
Result<void> check_input_size(const ReadOptions& options) {
  if (!options.input_size) return {};
  constexpr std::int64_t kLargest = 1 << 16;  // pixels; JPEG pictures are no larger
  const auto [height, width] = *options.input_size;
  const bool fits = std::min(height, width) >= 1 && std::max(height, width) <= kLargest;
  if (fits) return {};
  return fail(ErrorKind::InvalidArgument, "--input-size is {}x{} pixels, expected 1 to {} each way",
              width, height, kLargest);
}

}  // namespace

Result<OpenedModel> open_input(const std::string& path, const ReadOptions& options) {
  VP_RETURN_IF_ERROR(check_input_size(options));
  VP_ASSIGN_OR_RETURN(OpenedModel model, open_model(path, options));
  if (std::string odd = describe_not_finite(model.graph()); !odd.empty()) {
    model.warnings.push_back(std::move(odd));
  }
  return model;
}

ReadOptions read_options(const PreprocessOptions& preprocess) {
  return read_options(preprocess.input_size, preprocess.settings);
}

ReadOptions read_options(const std::optional<std::array<std::int64_t, 2>>& input_size,
                         const std::vector<InputSetting>& settings) {
  ReadOptions options;
  options.settings = settings;
  if (input_size) options.input_size = {(*input_size)[1], (*input_size)[0]};
  return options;
}

void warn_of_package(const OpenedModel& model, std::vector<std::string>& warnings) {
  if (!model.package || model.package->labels.empty()) return;
  if (!model.graph().labels.empty()) return;
  const ExportPackage& package = *model.package;
  // A folder's labels stay where they are, and the new file is written next to the folder.
  std::string advice = fmt::format("keep {} beside it", package.labels_entry);
  if (model.files.kind() == FileSet::Kind::Folder && !package.labels_entry.empty()) {
    advice = fmt::format("give --labels {}", model.files.path_of(package.labels_entry));
  }
  warnings.push_back(fmt::format("the package's {} labels are not in the new file: {}",
                                 package.labels.size(), advice));
}

}  // namespace visionpress
