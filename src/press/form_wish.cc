#include "press/form_wish.h"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "press/press_options.h"

namespace visionpress {

std::string name_of(const FormWish& wish) {
  return wish.noise > 0.0 ? fmt::format("{}:{}", name_of(wish.form), wish.noise)
                          : name_of(wish.form);
}

Result<FormWish> choose_wish(const std::string& name) {
  const std::size_t colon = name.find(':');
  FormWish wish;
  VP_ASSIGN_OR_RETURN(wish.form, choose_form(name.substr(0, colon)));
  if (wish.form.encoding != Encoding::Linear && wish.form.encoding != Encoding::Table) {
    return fail(ErrorKind::Usage, "{} has no codes to choose; expected linear-N or palette-N",
                name_of(wish.form));
  }
  if (colon == std::string::npos) return wish;
  const std::string_view noise = std::string_view(name).substr(colon + 1);
  const auto [end, error] = std::from_chars(noise.data(), noise.data() + noise.size(), wish.noise);
  if (error != std::errc{} || end != noise.data() + noise.size() ||
      !(wish.noise > 0.0 && wish.noise <= 1.0)) {
    return fail(ErrorKind::Usage, "{}: the noise is \"{}\", expected a number above 0, at most 1",
                name, noise);
  }
  return wish;
}

}  // namespace visionpress
