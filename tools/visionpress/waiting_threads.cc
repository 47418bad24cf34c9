#include "waiting_threads.h"

#include <cstdlib>

#include <unistd.h>

namespace visionpress {

void let_waiting_threads_sleep(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  // GNU's OpenMP spins 300,000 times, some 15 ms, at each barrier. On a busy machine the thread
  // that is waited for then lacks the core that the spinning one holds: a network of 20 ms takes
  // 250 ms. Sleeping at once (OMP_WAIT_POLICY=passive) costs a third on an idle machine. A thousand
  // spins, about 50 microseconds, bridge the gaps between the layers and are as fast as spinning
  // there. source: bench/busy; libgomp's manual, GOMP_SPINCOUNT.
  if (::setenv("GOMP_SPINCOUNT", "1000", 0) != 0) return;
  ::execv("/proc/self/exe", argv);  // returns only where it fails
}

}  // namespace visionpress
