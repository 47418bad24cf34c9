#include "cloud/custom_vision_exports.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/error.h"
#include "base/output_file.h"
#include "base/sync_file.h"
#include "package/zip_archive.h"

namespace visionpress {
namespace {

struct Export {
  std::string status = {};  ///< "Exporting", "Done", "Failed"; an open set
  std::string uri = {};     ///< null until it is done
  bool outdated = false;
};

class Exporter {
 public:
  Exporter(CustomVisionClient& client, const CloudProject& project, const CloudIteration& iteration,
           const CloudExportOptions& options)
      : client_(client), project_(project), iteration_(iteration), options_(options) {
    what_ = fmt::format("export \"{}\" as {}{}{}", iteration.name, options.platform,
                        options.flavor.empty() ? "" : " ", options.flavor);
  }

  /// returns: whether it had been asked for before.
  [[nodiscard]] Result<bool> start() {
    VP_ASSIGN_OR_RETURN(const std::optional<Export> before, find());
    const bool usable = before && before->status != "Failed" && !before->outdated;
    if (usable) return true;
    CloudCall call;
    call.what = what_;
    call.method = HttpMethod::Post;
    call.path = path();
    call.query = {{"platform", options_.platform}};
    if (!options_.flavor.empty()) call.query.emplace_back("flavor", options_.flavor);
    // A repeat is told that the export is queued, which is as good.
    VP_ASSIGN_OR_RETURN(const CloudAnswer answer, client_.ask(call));
    if (answer.is_success()) return false;
    if (answer.error.code == "BadRequestExportAlreadyInProgress") return true;
    return client_.refuse(call, answer.status, answer.error);
  }

  /// Waits until it is done. returns: where it is.
  [[nodiscard]] Result<std::string> wait(const Progress& progress) {
    CloudPoll poll(client_, std::chrono::minutes(options_.max_wait_minutes));
    while (true) {
      VP_ASSIGN_OR_RETURN(const std::optional<Export> now, find());
      if (now && now->status == "Failed") {
        return fail(ErrorKind::Io, "{}: the service says that it failed, and not why", what_);
      }
      if (now && now->status == "Done") {
        if (!now->uri.empty()) return now->uri;
        return fail(ErrorKind::Malformed, "{}: it is done, and the answer has no downloadUri",
                    what_);
      }
      VP_RETURN_IF_ERROR(
          poll.wait(progress, now && !now->status.empty() ? what_ + ": " + now->status : what_));
    }
  }

  /// An absolute address holds its own signature; a relative one is asked for with the key.
  [[nodiscard]] Result<std::string> fetch(const std::string& uri) {
    if (uri.find("://") != std::string::npos) return client_.download(uri);
    CloudCall call;
    call.what = what_ + ": artifact";
    call.path = project_path(project_) + "/artifacts";
    call.query = {{"path", uri}};
    return client_.call_bytes(call);
  }

 private:
  [[nodiscard]] std::string path() const {
    return iteration_path(project_, iteration_) + "/export";
  }

  /// The export of this platform and flavor; several of others may be there too.
  [[nodiscard]] Result<std::optional<Export>> find() {
    CloudCall call;
    call.what = "list exports of \"" + iteration_.name + "\"";
    call.path = path();
    VP_ASSIGN_OR_RETURN(const CloudJson answer, client_.call(call));
    VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(answer, call.what));
    std::optional<Export> found;
    for (const CloudJson& json : objects) {
      if (text_at(json, "platform") != options_.platform) continue;
      if (text_at(json, "flavor") != options_.flavor) continue;  // null is read as ""
      Export entry{text_at(json, "status"), text_at(json, "downloadUri"),
                   flag_of(json, "newerVersionAvailable")};
      // Of an attempt that failed and a later one, the later counts.
      if (!found || found->status == "Failed") found = std::move(entry);
    }
    return found;
  }

  CustomVisionClient& client_;
  const CloudProject& project_;
  const CloudIteration& iteration_;
  const CloudExportOptions& options_;
  std::string what_ = {};
};

/// As the service names its packages.
std::string name_package(const CloudIteration& iteration, const CloudExportOptions& options) {
  std::string id = iteration.id;
  std::erase(id, '-');
  for (const std::string& part : {options.platform, options.flavor}) {
    if (!part.empty()) id += "." + part;
  }
  return id + ".zip";
}

/// Platform and flavor become part of a file's name and of an address.
Result<void> check_word(const char* what, const std::string& word) {
  const bool is_word =
      std::ranges::all_of(word, [](char c) { return is_ascii_alnum(c) || c == '_'; });
  if (is_word) return {};
  return fail(ErrorKind::Usage, "{} \"{}\": expected letters and digits", what, word);
}

/// The names of its entries, each of which has the content its checksum is of.
Result<std::vector<std::string>> check_package(Bytes bytes) {
  VP_ASSIGN_OR_RETURN(const ZipArchive archive, ZipArchive::open(bytes));
  std::vector<std::string> names;
  for (const ZipEntry& entry : archive.entries()) {
    VP_RETURN_IF_ERROR(archive.read(entry));
    names.push_back(entry.name);
  }
  if (names.empty()) return fail(ErrorKind::Malformed, "the package is empty");
  return names;
}

/// The package's bytes, once the service has made it; fills in what the result says of them.
Result<std::string> load_package(Exporter& exporter, const Progress& progress,
                                 CloudExportResult& result) {
  VP_ASSIGN_OR_RETURN(result.was_queued, exporter.start());
  VP_ASSIGN_OR_RETURN(const std::string uri, exporter.wait(progress));
  VP_ASSIGN_OR_RETURN(std::string package, exporter.fetch(uri));
  auto entries = check_package(std::as_bytes(std::span(package)));
  if (!entries) return in_file(std::move(entries).error(), describe_url(uri));
  result.entries = std::move(*entries);
  return package;
}

}  // namespace

Result<CloudExportResult> export_iteration(CustomVisionClient& client, const CloudProject& project,
                                           const CloudExportOptions& options,
                                           const Progress& progress) {
  if (options.platform.empty()) return fail(ErrorKind::Usage, "no platform to export for");
  VP_RETURN_IF_ERROR(check_word("platform", options.platform));
  VP_RETURN_IF_ERROR(check_word("flavor", options.flavor));
  CloudExportResult result;
  VP_ASSIGN_OR_RETURN(result.iteration, find_iteration(client, project, options.iteration,
                                                       IterationNeed::Exportable));
  result.platform = options.platform;
  result.flavor = options.flavor;
  result.output = options.output.empty() ? name_package(result.iteration, options) : options.output;
  const Overwrite overwrite = options.overwrite ? Overwrite::Allow : Overwrite::Refuse;
  VP_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(result.output, overwrite));
  Exporter exporter(client, project, result.iteration, options);
  VP_ASSIGN_OR_RETURN(const std::string package, load_package(exporter, progress, result));
  const Bytes bytes = std::as_bytes(std::span(package));
  VP_RETURN_IF_ERROR(file.write({&bytes, 1}));
  VP_RETURN_IF_ERROR(sync_file(file.temporary_path()));
  VP_RETURN_IF_ERROR(file.commit());
  result.bytes = package.size();
  return result;
}

}  // namespace visionpress
