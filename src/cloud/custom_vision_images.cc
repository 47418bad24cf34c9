#include "cloud/custom_vision_images.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "cloud/base64.h"
#include "package/sha1.h"

namespace visionpress {
namespace {

/// Statuses that pass; all others are about the image.
bool is_passing(const std::string& status) {
  return status == "ErrorStorage" || status == "ErrorUnknown" || status.empty();
}

/// Tags, and regions where there are any.
CloudJson describe_image(const UploadImage& image, std::span<const std::string> tag_ids) {
  CloudJson json = {{"name", image.name}};
  if (image.regions.empty()) {
    json["tagIds"] = CloudJson::array();
    for (const int tag : image.tags)
      json["tagIds"].push_back(tag_ids[static_cast<std::size_t>(tag)]);
    return json;
  }
  json["regions"] = CloudJson::array();
  for (const UploadRegion& region : image.regions) {
    json["regions"].push_back({{"tagId", tag_ids[static_cast<std::size_t>(region.tag)]},
                               {"left", region.left},
                               {"top", region.top},
                               {"width", region.width},
                               {"height", region.height}});
  }
  return json;
}

/// The name in an answer's sourceUrl stands in quotes.
std::string strip_quotes(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

bool is_same_region(const CloudJson& stored, const CloudJson& wanted) {
  if (text_at(stored, "tagId") != text_at(wanted, "tagId")) return false;
  for (const char* side : {"left", "top", "width", "height"}) {
    constexpr double kSame = 1e-4;  // less than a pixel of the largest image; the service rounds
    const double a = number_of(stored, side).value_or(-1.0);
    const double b = number_of(wanted, side).value_or(-2.0);
    if (std::abs(a - b) > kSame) return false;
  }
  return true;
}

class Uploader {
 public:
  Uploader(CustomVisionClient& client, const CloudProject& project, UploadPlan plan,
           UploadJournal journal, CloudUploadResult& result)
      : client_(client),
        project_(project),
        plan_(std::move(plan)),
        journal_(std::move(journal)),
        result_(result) {}

  /// Finds the tags that are used, and makes those that are missing.
  [[nodiscard]] Result<void> prepare_tags(const Dataset& dataset) {
    std::set<int> used;
    for (const UploadImage& image : plan_.images) used.insert(image.tags.begin(), image.tags.end());
    VP_ASSIGN_OR_RETURN(const std::vector<CloudTag> there, list_tags(client_, project_));
    std::map<std::string, std::string> ids;
    for (const CloudTag& tag : there) ids[tag.name] = tag.id;
    tag_ids_.resize(dataset.tags.size());
    for (const int tag : used) {
      const std::string& name = dataset.tags[static_cast<std::size_t>(tag)];
      if (!ids.contains(name)) {
        VP_ASSIGN_OR_RETURN(const CloudTag made, create_tag(client_, project_, name));
        ids[name] = made.id;
        result_.created_tags.push_back(name);
      }
      tag_ids_[static_cast<std::size_t>(tag)] = ids[name];
    }
    return {};
  }

  [[nodiscard]] Result<void> run(const Progress& progress) {
    VP_RETURN_IF_ERROR(leave_out_acknowledged());
    std::vector<UploadImage> waiting = std::move(plan_.images);
    const std::size_t total = result_.images;
    for (int round = 0; !waiting.empty(); ++round) {
      std::vector<UploadImage> again;
      for (const auto& batch : make_batches(waiting)) {
        if (progress) progress(finished_, total, "upload");
        std::vector<const UploadImage*> images;
        images.reserve(batch.size());
        for (const std::size_t index : batch) images.push_back(&waiting[index]);
        VP_RETURN_IF_ERROR(send_batch(images, round >= client_.retries(), again));
        if (progress) progress(finished_, total, "upload");
      }
      if (!again.empty()) client_.sleep(std::chrono::milliseconds(500) * (1 << std::min(round, 6)));
      waiting = std::move(again);
    }
    return send_missing_regions();
  }

 private:
  [[nodiscard]] static Result<std::string> hash_content(const UploadImage& image,
                                                        std::span<const std::string> tag_ids) {
    VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(image.path));
    const std::string said = to_json_line(describe_image(image, tag_ids));
    const std::array<Bytes, 2> pieces = {file.bytes(), std::as_bytes(std::span(said))};
    return hash_sha1(pieces);
  }

  [[nodiscard]] Result<void> leave_out_acknowledged() {
    std::vector<UploadImage> left;
    for (UploadImage& image : plan_.images) {
      VP_ASSIGN_OR_RETURN(std::string content, hash_content(image, tag_ids_));
      if (journal_.has(image.name, content)) {
        ++result_.resumed;
        ++finished_;
        result_.regions += image.regions.size();
        continue;
      }
      contents_[image.name] = std::move(content);
      left.push_back(std::move(image));
    }
    plan_.images = std::move(left);
    return {};
  }

  /// last: an image that fails in passing is given up. again: the others of that kind.
  [[nodiscard]] Result<void> send_batch(std::span<const UploadImage* const> images, bool last,
                                        std::vector<UploadImage>& again) {
    std::vector<MappedFile> files;
    std::vector<Bytes> contents;
    for (const UploadImage* image : images) {
      VP_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(image->path));
      files.push_back(std::move(file));
      contents.push_back(files.back().bytes());
    }
    CloudCall call;
    call.what = fmt::format("upload of {} images", images.size());
    call.method = HttpMethod::Post;
    call.path = project_path(project_) + "/images/files";
    call.body = make_batch_body(images, tag_ids_, contents);
    // A repeat finds what the first sending stored by its content, and says OKDuplicate.
    VP_ASSIGN_OR_RETURN(const CloudAnswer answer, client_.ask(call));
    ++result_.batches;
    const auto entries = answer.json.is_object() ? answer.json.find("images") : answer.json.end();
    if (entries == answer.json.end() || !entries->is_array()) {
      if (!answer.is_success()) return client_.refuse(call, answer.status, answer.error);
      return fail(ErrorKind::Malformed, "{}: the answer lists no images", call.what);
    }
    std::unordered_map<std::string, const CloudJson*> by_name;
    for (const CloudJson& entry : *entries) {
      by_name.emplace(strip_quotes(text_at(entry, "sourceUrl")), &entry);
    }
    for (const UploadImage* image : images) {
      const auto found = by_name.find(image->name);
      VP_RETURN_IF_ERROR(
          settle(*image, found == by_name.end() ? CloudJson() : *found->second, last, again));
    }
    return {};
  }

  [[nodiscard]] Result<void> settle(const UploadImage& image, const CloudJson& entry, bool last,
                                    std::vector<UploadImage>& again) {
    const std::string status = text_at(entry, "status");
    const bool duplicate = status == "OKDuplicate";
    if (status != "OK" && !duplicate) {
      if (is_passing(status) && !last) {
        again.push_back(image);
        return {};
      }
      result_.failures.push_back({image.name, status.empty() ? "not in the answer" : status});
      ++finished_;
      return {};
    }
    ++finished_;
    ++(duplicate ? result_.duplicates : result_.created);
    result_.regions += image.regions.size();
    const auto stored = entry.find("image");
    const CloudJson& known = stored == entry.end() ? entry : *stored;
    if (duplicate && note_missing_regions(image, known)) {
      unfinished_.emplace_back(image.name, text_at(known, "id"));
      return {};  // acknowledged when its regions are
    }
    return journal_.add(image.name, contents_[image.name], text_at(known, "id"));
  }

  /// An image that was there before may lack regions; its entry says which it has.
  /// returns: whether any is to be sent.
  [[nodiscard]] bool note_missing_regions(const UploadImage& image, const CloudJson& stored) {
    if (image.regions.empty() || !stored.is_object() || !stored.contains("id")) return false;
    CloudJson there = stored.contains("regions") ? stored["regions"] : CloudJson();
    if (!there.is_array()) there = CloudJson::array();
    bool missing = false;
    const CloudJson described = describe_image(image, tag_ids_);
    for (CloudJson wanted : described["regions"]) {
      const bool has = std::ranges::any_of(
          there, [&](const CloudJson& region) { return is_same_region(region, wanted); });
      if (has) continue;
      wanted["imageId"] = text_at(stored, "id");
      missing_regions_.push_back(std::move(wanted));
      missing = true;
    }
    return missing;
  }

  [[nodiscard]] Result<void> send_missing_regions() {
    constexpr std::size_t kRegions = 64;  // of one call
    for (std::size_t at = 0; at < missing_regions_.size(); at += kRegions) {
      const std::size_t count = std::min(kRegions, missing_regions_.size() - at);
      CloudJson regions = CloudJson::array();
      for (std::size_t i = at; i < at + count; ++i) regions.push_back(missing_regions_[i]);
      CloudCall call;
      call.what = fmt::format("add {} regions", count);
      call.method = HttpMethod::Post;
      call.path = project_path(project_) + "/images/regions";
      call.body = to_json_line(CloudJson{{"regions", regions}});
      // The service lists regions that it has already as duplicated.
      VP_ASSIGN_OR_RETURN(const CloudJson answer, client_.call(call));
      const auto exceeded = answer.is_object() ? answer.find("exceeded") : answer.end();
      const std::size_t refused =
          exceeded != answer.end() && exceeded->is_array() ? exceeded->size() : 0;
      result_.added_regions += count - std::min(count, refused);
      if (refused > 0) {
        result_.warnings.push_back(
            fmt::format("{} regions exceed what the service takes of an image", refused));
      }
    }
    for (const auto& [name, id] : unfinished_) {
      VP_RETURN_IF_ERROR(journal_.add(name, contents_[name], id));
    }
    return {};
  }

  CustomVisionClient& client_;
  const CloudProject& project_;
  UploadPlan plan_;
  UploadJournal journal_;
  CloudUploadResult& result_;
  std::size_t finished_ = 0;  ///< images that need nothing more
  std::vector<std::string> tag_ids_ = {};
  std::unordered_map<std::string, std::string> contents_ = {};  ///< hashes, by name
  std::vector<CloudJson> missing_regions_ = {};
  std::vector<std::pair<std::string, std::string>> unfinished_ = {};  ///< name, id
};

}  // namespace

std::string make_batch_body(std::span<const UploadImage* const> images,
                            std::span<const std::string> tag_ids, std::span<const Bytes> contents) {
  std::string body = R"({"images":[)";
  for (std::size_t i = 0; i < images.size(); ++i) {
    // The contents are appended, not passed through a JSON value: they are all of the memory.
    std::string described = to_json_line(describe_image(*images[i], tag_ids));
    described.pop_back();
    if (i > 0) body += ',';
    body += described + R"(,"contents":")";
    append_base64(contents[i], body);
    body += "\"}";
  }
  return body + "]}";
}

Result<CloudUploadResult> upload_dataset(CustomVisionClient& client, const CloudProject& project,
                                         const Dataset& dataset, const CloudUploadOptions& options,
                                         const Progress& progress) {
  VP_ASSIGN_OR_RETURN(const std::string type, find_project_type(client, project));
  const ProjectKind kind = type == "ObjectDetection"                     ? ProjectKind::Detection
                           : project.classification_type == "Multilabel" ? ProjectKind::Multilabel
                                                                         : ProjectKind::Multiclass;
  VP_ASSIGN_OR_RETURN(UploadPlan plan, plan_upload(dataset, options.tags, kind));
  VP_ASSIGN_OR_RETURN(UploadJournal journal, UploadJournal::open(options.state, project.id));
  CloudUploadResult result;
  result.project_id = project.id;
  result.images = plan.images.size() + plan.failures.size();
  result.clamped = dataset.clamped_boxes + plan.clamped;
  result.left_out = plan.left_out;
  result.crowds = plan.crowds;
  result.failures = plan.failures;
  Uploader uploader(client, project, std::move(plan), std::move(journal), result);
  VP_RETURN_IF_ERROR(uploader.prepare_tags(dataset));
  VP_RETURN_IF_ERROR(uploader.run(progress));
  return result;
}

}  // namespace visionpress
