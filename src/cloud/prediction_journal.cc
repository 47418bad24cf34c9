#include "cloud/prediction_journal.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"

namespace visionpress {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAsked = "asked";

Json to_json(const CloudDetection& seen) {
  return {{"tag", seen.tag},     {"probability", seen.probability},
          {"left", seen.left},   {"top", seen.top},
          {"width", seen.width}, {"height", seen.height}};
}

std::optional<std::vector<CloudDetection>> read_answers(const Json& line) {
  const auto list = line.find("answers");
  if (list == line.end() || !list->is_array()) return std::nullopt;
  std::vector<CloudDetection> answers;
  for (const Json& json : *list) {
    CloudDetection seen;
    seen.tag = text_at(json, "tag");
    const auto read = [&json](const char* key, double& value) {
      const auto found = json.find(key);
      if (found == json.end() || !found->is_number()) return false;
      value = found->get<double>();
      return true;
    };
    const bool is_whole = json.is_object() && !seen.tag.empty() &&
                          read("probability", seen.probability) && read("left", seen.left) &&
                          read("top", seen.top) && read("width", seen.width) &&
                          read("height", seen.height);
    if (!is_whole) return std::nullopt;
    answers.push_back(std::move(seen));
  }
  return answers;
}

}  // namespace

Result<PredictionJournal> PredictionJournal::open(const std::string& path,
                                                  const std::string& asked) {
  PredictionJournal journal;
  if (path.empty()) return journal;
  journal.path_ = path;
  std::ifstream in(path);
  std::string line;
  const bool goes_on = std::getline(in, line) && text_at(parse_json<Json>(line), kAsked) == asked;
  while (goes_on && std::getline(in, line)) {
    const Json json = parse_json<Json>(line);
    if (!json.is_object()) continue;
    if (auto answers = read_answers(json))
      journal.answers_[text_at(json, "content")] = std::move(*answers);
  }
  in.close();
  std::error_code ignored;
  if (std::filesystem::is_symlink(path, ignored)) {
    return in_file(fail(ErrorKind::Output, "a symbolic link, which is not written through").value(),
                   path);
  }
  // What was read is written anew: a line that was cut off must not have the next one behind it.
  journal.file_.reset(std::fopen(path.c_str(), "we"));
  if (journal.file_ == nullptr) {
    return in_file(fail(ErrorKind::Output, "cannot write: {}", std::strerror(errno)).value(), path);
  }
  const std::string head =
      Json{{kAsked, asked}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::fputs((head + "\n").c_str(), journal.file_.get());
  for (const auto& [content, answers] : journal.answers_)
    VP_RETURN_IF_ERROR(journal.add(content, answers));
  return journal;
}

const std::vector<CloudDetection>* PredictionJournal::find(const std::string& content) const {
  const auto found = answers_.find(content);
  return found == answers_.end() ? nullptr : &found->second;
}

Result<void> PredictionJournal::add(const std::string& content,
                                    const std::vector<CloudDetection>& answers) {
  if (file_ == nullptr) return {};
  Json list = Json::array();
  for (const CloudDetection& seen : answers) list.push_back(to_json(seen));
  const Json json = {{"content", content}, {"answers", std::move(list)}};
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (std::fputs(line.c_str(), file_.get()) < 0 || std::fflush(file_.get()) != 0) {
    return in_file(fail(ErrorKind::Output, "cannot write: {}", std::strerror(errno)).value(),
                   path_);
  }
  answers_.try_emplace(content, answers);
  return {};
}

void PredictionJournal::remove() {
  file_.reset();
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

}  // namespace visionpress
