#pragma once

/// For programs only: settings that a library must not choose for its process.

namespace visionpress {

/// Input files are mapped, not copied, so a file that another program truncates while it is in use
/// kills the process with SIGBUS. After this call the process instead prints one line on stderr and
/// exits with code 3. Other causes of SIGBUS act as before. Call it once, at the start of main.
void end_on_lost_input();

}  // namespace visionpress
