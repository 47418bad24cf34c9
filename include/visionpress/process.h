#pragma once

/// For programs alone: what a library must not decide for the process it is in.

namespace visionpress {

/// Input files are mapped, not copied. One that another program cuts short while it is in use ends
/// a process with SIGBUS; after this call with one line on stderr and exit code 3. Other reasons of
/// SIGBUS end it as before. Call it once, at the start of main.
void end_on_lost_input();

}  // namespace visionpress
