#include "visionpress/version.h"

namespace visionpress {

const char* version() { return VP_VERSION; }

}  // namespace visionpress
