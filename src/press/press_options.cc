#include "press/press_options.h"

#include "base/error.h"
#include "codecs/family.h"
#include "press/layer_names.h"

namespace visionpress {

Result<Form> choose_form(const std::string& name) {
  if (const OfferedForm* offered = find_offered(name)) return offered->form;
  std::vector<std::string> names;
  for (const OfferedForm& offered : all_offered()) names.push_back(name_of(offered.form));
  const std::string all = fmt::format("{}", fmt::join(names, ", "));
  if (name.empty()) return fail(ErrorKind::Usage, "no scheme given; one of {}", all);
  const auto near = find_nearest(name, names, 1);
  return fail(ErrorKind::Usage, "no scheme \"{}\"{}; one of {}", name,
              near.empty() ? "" : fmt::format(" (did you mean {}?)", near.front()), all);
}

}  // namespace visionpress
