#include "infer/describe_export.h"

#include <filesystem>

#include "base/error.h"
#include "formats/format_table.h"
#include "infer/model_labels.h"
#include "infer/teachable_machine.h"
#include "package/hash_path.h"
#include "package/sha1.h"

namespace visionpress {

Result<ExportFacts> describe_export(const OpenedModel& model, const std::string& path,
                                    const std::string& labels) {
  namespace fs = std::filesystem;
  ExportFacts facts;
  facts.path = path;
  facts.family = name_of(model.graph().format);
  facts.extension = fs::path(path).extension();
  VP_ASSIGN_OR_RETURN(FoundLabels found, find_labels(model, path, labels));
  facts.hint = choose_model_hint(model, found);
  facts.labels = std::move(found.labels);
  if (model.package) {
    const ExportManifest& manifest = model.package->manifest;
    facts.kind = fmt::format("{} {} {} {}", manifest.domain_type, manifest.platform,
                             manifest.exporter_version, manifest.exported_date);
    if (model.files.kind() == FileSet::Kind::Folder) {
      facts.extension = fs::path(model.entry).extension();
    }
  }
  if (model.is_folder) {
    VP_ASSIGN_OR_RETURN(facts.sha1, hash_path(path));
  } else {
    facts.sha1 = hash_sha1(model.bytes());
  }
  return facts;
}

}  // namespace visionpress
