#include "base/huge_pages.h"

#include <memory>

#include <sys/mman.h>
#include <unistd.h>

namespace visionpress {

void wish_huge_pages(MutableBytes memory) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20U;
  if (memory.size() < 2 * kHugePage) return;
  // Whole pages inside the memory; the kernel takes the huge ones among them.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* begin = memory.data();
  std::size_t room = memory.size();
  if (std::align(page, page, begin, room) == nullptr) return;
  (void)::madvise(begin, room / page * page, MADV_HUGEPAGE);
}

}  // namespace visionpress
