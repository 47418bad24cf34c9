#include "package/export_package.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "base/error.h"
#include "base/json_text.h"
#include "model/label_text.h"
#include "package/model_name.h"
#include "package/sha1.h"
#include "package/zip_archive.h"

namespace visionpress {
namespace {

using nlohmann::json;

constexpr std::string_view kManifest = "cvexport.manifest";
constexpr std::size_t kMaxTextBytes = 1U << 20U;  // of a manifest, labels or metadata

/// The files that may belong to a package: of a folder, those at the top and one folder below.
std::vector<std::string> list_names(const FileSet& files) {
  std::vector<std::string> names = files.names();
  if (files.kind() == FileSet::Kind::Folder) {
    std::erase_if(names, [](const std::string& name) { return std::ranges::count(name, '/') > 1; });
  }
  return names;
}

Result<FileContent> read_text(const FileSet& files, const std::string& name) {
  if (const std::uint64_t bytes = files.size_of(name); bytes > kMaxTextBytes) {
    return fail(ErrorKind::Unsupported, "{} is of {} bytes, more than {}", name, bytes,
                kMaxTextBytes);
  }
  return files.read(name);
}

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Reads a JSON object whose values that matter are strings.
Result<json> read_object(const FileSet& files, const std::string& entry) {
  VP_ASSIGN_OR_RETURN(const FileContent content, read_text(files, entry));
  json object = parse_json<json>(view_text(content.bytes()));
  if (!object.is_object()) return fail(ErrorKind::Malformed, "{}: no JSON object", entry);
  return object;
}

Result<void> check_version(const ExportManifest& manifest, const std::string& entry) {
  constexpr int kKnownMajor = 2;  // a greater minor version only adds
  const std::string& text = manifest.exporter_version;
  int major = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), major);
  if (major <= kKnownMajor && parsed.ec != std::errc::result_out_of_range) return {};
  return fail(ErrorKind::Unsupported, "{}: ExporterVersion is {:.40}, read up to {}.x", entry, text,
              kKnownMajor);
}

/// Finds a file that the manifest names. It lies next to the manifest; the name is not a path.
Result<std::string> find_named(const std::vector<std::string>& names, const ExportPackage& package,
                               const char* key, const std::string& name) {
  if (name.find_first_of("/\\") != std::string::npos || name == "..") {
    return fail(ErrorKind::Malformed, "{}: {} is \"{:.200}\", expected a file's name",
                package.manifest_entry, key, name);
  }
  const std::string& beside =
      package.manifest_entry.empty() ? package.model_entry : package.manifest_entry;
  const std::string entry = std::string(folder_of(beside)) + name;
  return std::ranges::find(names, entry) == names.end() ? std::string() : entry;
}

Result<void> find_manifest(const FileSet& files, const std::vector<std::string>& names,
                           ExportPackage& package) {
  const auto depth = [](const std::string& name) { return std::ranges::count(name, '/'); };
  for (const std::string& name : names) {
    if (base_name_of(name) != kManifest) continue;
    const bool nearer =
        package.manifest_entry.empty() || depth(name) < depth(package.manifest_entry);
    if (nearer) package.manifest_entry = name;
  }
  if (package.manifest_entry.empty()) return {};
  VP_ASSIGN_OR_RETURN(const json object, read_object(files, package.manifest_entry));
  ExportManifest& manifest = package.manifest;
  manifest.domain_type = text_at(object, "DomainType");
  manifest.platform = text_at(object, "Platform");
  manifest.flavor = text_at(object, "Flavor");
  manifest.exporter_version = text_at(object, "ExporterVersion");
  manifest.exported_date = text_at(object, "ExportedDate");
  manifest.iteration_id = text_at(object, "IterationId");
  manifest.model_file = text_at(object, "ModelFileName");
  manifest.label_file = text_at(object, "LabelFileName");
  manifest.metadata_file = text_at(object, "MetadataPropsFileName");
  manifest.model_sha1 = ascii_lower(text_at(object, "ModelFileSHA1"));
  return check_version(manifest, package.manifest_entry);
}

/// What is wrong with the manifest's ModelFileName; empty without a manifest.
std::string describe_missing(const ExportPackage& package) {
  if (package.manifest_entry.empty()) return {};
  const std::string& named = package.manifest.model_file;
  if (named.empty()) return fmt::format("{} has no ModelFileName; ", package.manifest_entry);
  return fmt::format("{} names {:.200}, which is not there; ", package.manifest_entry, named);
}

bool is_archive_name(const std::string& name) { return ascii_lower(name).ends_with(".zip"); }

Result<void> find_model(const std::vector<std::string>& names, ExportPackage& package,
                        Diagnostics& diagnostics) {
  const std::string& named = package.manifest.model_file;
  if (package.manifest.flavor == "TensorFlowJs") {
    return fail(ErrorKind::Unsupported,
                "a TensorFlow.js export, which is not read; export the iteration as TensorFlow or "
                "TensorFlow Lite");
  }
  if (!named.empty()) {
    VP_ASSIGN_OR_RETURN(package.model_entry, find_named(names, package, "ModelFileName", named));
    if (!package.model_entry.empty()) return {};
  }
  std::vector<std::string> found;
  for (const std::string& name : names) {
    if (is_exported_model_name(name)) found.push_back(name);
  }
  // A SavedModel has other .pb files next to it, which are not models.
  const auto saved = std::ranges::find(found, kSavedModelFile, base_name_of);
  if (saved != found.end()) found = {*saved};
  const std::string missing = describe_missing(package);
  if (found.size() != 1) {
    const auto inner = std::ranges::find_if(names, is_archive_name);
    std::string what = found.empty() ? std::string("no model in it")
                                     : fmt::format("several models: {}", fmt::join(found, ", "));
    if (found.empty() && inner != names.end())
      what += fmt::format(" but another archive, {:.200}; unpack that", *inner);
    return fail(ErrorKind::Malformed, "no Custom Vision export: {}{}; expected {}", missing, what,
                package.manifest_entry.empty()
                    ? fmt::format("{} or one .mlmodel, .tflite or .pb file", kManifest)
                    : std::string("one .mlmodel, .tflite or .pb file"));
  }
  if (!named.empty()) diagnostics.warn(fmt::format("{}{} is read", missing, found.front()));
  package.model_entry = found.front();
  return {};
}

Result<void> find_labels(const FileSet& files, const std::vector<std::string>& names,
                         ExportPackage& package, Diagnostics& diagnostics) {
  const std::string& named = package.manifest.label_file;
  if (!named.empty()) {
    VP_ASSIGN_OR_RETURN(package.labels_entry, find_named(names, package, "LabelFileName", named));
  }
  if (package.labels_entry.empty()) {
    // dict.txt: AutoML Vision Edge.
    for (const char* name : {"labels.txt", "dict.txt"}) {
      const std::string beside = std::string(folder_of(package.model_entry)) + name;
      if (std::ranges::find(names, beside) == names.end()) continue;
      package.labels_entry = beside;
      break;
    }
    if (package.labels_entry.empty()) return {};
  }
  VP_ASSIGN_OR_RETURN(const FileContent text, read_text(files, package.labels_entry));
  if (const std::string why = describe_not_text(view_text(text.bytes())); !why.empty()) {
    diagnostics.warn(fmt::format("{} is not read as labels: {}", package.labels_entry, why));
    return {};
  }
  package.labels = split_labels(view_text(text.bytes()));
  package.has_numbered_labels = has_numbered_labels(view_text(text.bytes()));
  return {};
}

Result<void> find_properties(const FileSet& files, const std::vector<std::string>& names,
                             ExportPackage& package) {
  const std::string& named = package.manifest.metadata_file;
  VP_ASSIGN_OR_RETURN(const std::string entry,
                      find_named(names, package, "MetadataPropsFileName",
                                 named.empty() ? "metadata_properties.json" : named));
  if (entry.empty()) return {};
  VP_ASSIGN_OR_RETURN(const json object, read_object(files, entry));
  for (const auto& [key, value] : object.items()) {
    if (value.is_string()) package.properties.emplace(key, value.get<std::string>());
  }
  return {};
}

/// The manifest's text with another hash between the quotes after the key, and no other change. The
/// key's word may occur elsewhere too, so each occurrence is tried and the result read as JSON.
Result<std::string> replace_sha1(const std::string& text, const std::string& sha1,
                                 const std::string& entry) {
  constexpr std::string_view kKey = "\"ModelFileSHA1\"";
  constexpr const char* kSpace = " \t\r\n";
  json wanted = parse_json<json>(text);
  if (wanted.is_object()) wanted["ModelFileSHA1"] = sha1;
  int tries = 64;  // parsing takes a while
  for (std::size_t key = text.find(kKey); key != std::string::npos && tries > 0;
       key = text.find(kKey, key + 1), --tries) {
    const std::size_t colon = text.find_first_not_of(kSpace, key + kKey.size());
    if (colon == std::string::npos || text[colon] != ':') continue;
    const std::size_t open = text.find_first_not_of(kSpace, colon + 1);
    if (open == std::string::npos || text[open] != '"') continue;
    std::size_t close = open + 1;
    while (close < text.size() && text[close] != '"') close += text[close] == '\\' ? 2 : 1;
    if (close >= text.size()) break;
    std::string replaced = text;
    replaced.replace(open + 1, close - open - 1, sha1);
    if (parse_json<json>(replaced) == wanted) return replaced;
  }
  return fail(ErrorKind::Malformed, "{}: no text after ModelFileSHA1", entry);
}

}  // namespace

bool looks_like_package(const FileSet& files) {
  const std::vector<std::string> names = list_names(files);
  const bool has_manifest = std::ranges::any_of(
      names, [](const std::string& name) { return base_name_of(name) == kManifest; });
  if (has_manifest) return true;
  // TensorFlow's SavedModel folders hold other .pb files too.
  if (files.has(kSavedModelFile)) return false;
  return std::ranges::count_if(names, is_exported_model_name) == 1;
}

std::vector<std::string> list_model_files(const FileSet& files) {
  std::vector<std::string> names = list_names(files);
  std::erase_if(names, [](const std::string& name) { return !is_exported_model_name(name); });
  return names;
}

Result<ExportPackage> read_package(const FileSet& files, Diagnostics& diagnostics) {
  ExportPackage package;
  const std::vector<std::string> names = list_names(files);
  VP_RETURN_IF_ERROR(find_manifest(files, names, package));
  VP_RETURN_IF_ERROR(find_model(names, package, diagnostics));
  VP_RETURN_IF_ERROR(find_labels(files, names, package, diagnostics));
  VP_RETURN_IF_ERROR(find_properties(files, names, package));
  return package;
}

Result<ExportPackage> read_package_around(const FileSet& files, const std::string& model_entry,
                                          Diagnostics& diagnostics) {
  ExportPackage package;
  package.model_entry = model_entry;
  const std::vector<std::string> names = list_names(files);
  VP_RETURN_IF_ERROR(find_labels(files, names, package, diagnostics));
  VP_RETURN_IF_ERROR(find_properties(files, names, package));
  return package;
}

void compare_sha1(Bytes model, ExportPackage& package, Diagnostics& diagnostics) {
  const std::string& expected = package.manifest.model_sha1;
  if (expected.empty()) return;
  const std::string found = hash_sha1(model);
  package.sha1_matches = found == expected;
  if (found == expected) return;
  diagnostics.warn(
      fmt::format("{}: ModelFileSHA1 is {}, but that of {} is {}: the model was "
                  "exchanged after the export, or damaged",
                  package.manifest_entry, expected, package.model_entry, found));
}

Result<std::vector<ReplacedFile>> replace_model(const FileSet& files, const ExportPackage& package,
                                                std::span<const Bytes> model) {
  std::vector<ReplacedFile> replaced(1);
  replaced.front().name = package.model_entry;
  replaced.front().content.pieces.assign(model.begin(), model.end());
  if (package.manifest.model_sha1.empty()) return replaced;
  VP_ASSIGN_OR_RETURN(const FileContent text, files.read(package.manifest_entry));
  auto manifest =
      replace_sha1(std::string(view_text(text.bytes())), hash_sha1(model), package.manifest_entry);
  if (!manifest) return in_file(manifest.error(), files.path());
  const Bytes bytes = std::as_bytes(std::span(*manifest));
  ReplacedFile file;
  file.name = package.manifest_entry;
  file.content.owned.emplace_back(bytes.begin(), bytes.end());
  file.content.pieces.push_back(file.content.owned.back());
  replaced.push_back(std::move(file));
  return replaced;
}

}  // namespace visionpress
