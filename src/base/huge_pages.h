#pragma once

#include "base/bytes.h"

namespace visionpress {

/// Asks for huge pages under memory that is about to be written for the first time. Filling a
/// buffer of 40 MB then takes some 20 page faults instead of 10,000, and half the time. The request
/// is a hint: nothing changes if the system has no huge pages or the memory is small.
void wish_huge_pages(MutableBytes memory);

}  // namespace visionpress
