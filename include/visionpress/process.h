#pragma once

/// For programs only: settings that a library must not choose for its process, and help with what
/// their users type.

#include <string>
#include <string_view>
#include <vector>

namespace visionpress {

/// Input files are mapped, not copied, so a file that another program truncates while it is in use
/// kills the process with SIGBUS. After this call the process instead prints one line on stderr and
/// exits with code 3. Other causes of SIGBUS act as before. Call it once, at the start of main.
void end_on_lost_input();

/// The name that a mistyped word is most similar to, for "did you mean"; empty where no name is
/// similar, that is, each differs in more than a third of the word's characters (and in more than
/// two).
[[nodiscard]] std::string find_nearest_word(std::string_view word,
                                            const std::vector<std::string>& names);

}  // namespace visionpress
