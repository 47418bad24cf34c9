#include "visionpress/package_listing.h"

#include "formats/package_parts.h"

namespace visionpress {

Result<std::optional<PackageListing>> list_package(const std::string& file) {
  const PartPath path = split_part_path(file);
  if (!path.part.empty()) return std::nullopt;
  return list_parts_of(file);
}

}  // namespace visionpress
