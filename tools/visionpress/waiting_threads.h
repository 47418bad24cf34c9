#pragma once

namespace visionpress {

/// Makes this process's OpenMP threads sleep soon where they wait for one another, unless the
/// environment says how they shall wait (OMP_WAIT_POLICY or GOMP_SPINCOUNT). OpenMP reads that when
/// the program is loaded, so the program is loaded once more, with the variable set; where that
/// cannot be done, the threads wait as the library has it. argv: of main.
void let_waiting_threads_sleep(char** argv);

}  // namespace visionpress
