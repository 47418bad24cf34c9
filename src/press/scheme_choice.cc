#include "press/scheme_choice.h"

#include <algorithm>

#include "base/error.h"
#include "codecs/family.h"
#include "formats/format_table.h"
#include "press/estimate.h"
#include "press/press_options.h"

namespace visionpress {
namespace {

/// The formats' names, for a message.
std::string list_words() {
  std::string text;
  for (const ModelFormat& format : all_formats()) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", format.word);
  }
  return text;
}

/// The format of "coreml:fp16", null for "fp16".
const ModelFormat* find_format(const std::string& scheme) {
  const std::size_t colon = scheme.find(':');
  if (colon == std::string::npos) return nullptr;
  const std::string_view word = std::string_view(scheme).substr(0, colon);
  const auto found = std::ranges::find(all_formats(), word, &ModelFormat::word);
  return found == all_formats().end() ? nullptr : &*found;
}

}  // namespace

Result<void> check_schemes(const std::vector<std::string>& schemes) {
  for (const std::string& scheme : schemes) {
    const std::size_t colon = scheme.find(':');
    const bool has_format = colon != std::string::npos;
    VP_RETURN_IF_ERROR(choose_form(has_format ? scheme.substr(colon + 1) : scheme));
    if (!has_format || find_format(scheme) != nullptr) continue;
    return fail(ErrorKind::Usage, "no format \"{}\" in \"{}\"; one of {}", scheme.substr(0, colon),
                scheme, list_words());
  }
  return {};
}

bool is_wanted(const std::vector<std::string>& schemes, Format format, std::string_view scheme) {
  if (schemes.empty()) {
    const OfferedForm* offered = find_offered(scheme);
    return offered != nullptr && offered->is_default;
  }
  return std::ranges::any_of(schemes, [&](const std::string& wanted) {
    return wanted == scheme || wanted == fmt::format("{}:{}", format_row(format).word, scheme);
  });
}

std::vector<std::string> list_unused(const std::vector<std::string>& schemes,
                                     const std::vector<std::string>& titles) {
  std::vector<std::string> warnings;
  for (const std::string& scheme : schemes) {
    const ModelFormat* format = find_format(scheme);
    if (format == nullptr || std::ranges::find(titles, format->title) != titles.end()) continue;
    warnings.push_back(fmt::format("{}: no export is a {} file", scheme, format->title));
  }
  return warnings;
}

UsefulSchemes list_useful(const std::vector<std::string>& schemes, const OpenedModel& model,
                          int threads) {
  UsefulSchemes useful;
  PressOptions press;
  press.threads = threads;
  for (const OfferedForm& offered : all_offered()) {
    press.form = offered.form;
    const std::string name = name_of(offered.form);
    if (!is_wanted(schemes, model.graph().format, name)) continue;
    const auto estimate = estimate_form(*model.source, press, model.bytes().size());
    if (estimate && estimate->weights > 0) {
      useful.names.push_back(name);
    } else if (!can_hold(*model.source, press)) {
      useful.left_out.push_back(fmt::format("{} is left out: {} cannot hold it here", name,
                                            name_of(model.graph().format)));
    } else {
      useful.left_out.push_back(
          fmt::format("{} is left out: {}", name,
                      estimate ? "it would change nothing" : estimate.error().message));
    }
  }
  return useful;
}

}  // namespace visionpress
