#include "cloud/prediction_journal.h"

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json_text.h"

namespace visionpress {
namespace {

using Json = LineJournal::Json;

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
  LineJournal::Form form;
  form.head = {{kAsked, asked}};
  form.is_own = [&asked](const Json& head) { return text_at(head, kAsked) == asked; };
  form.what = "answers of this call (" + asked + ")";
  VP_ASSIGN_OR_RETURN(journal.lines_, LineJournal::open(path, form));
  for (const Json& line : journal.lines_.take_lines()) {
    if (auto answers = read_answers(line))
      journal.answers_[text_at(line, "content")] = std::move(*answers);
  }
  return journal;
}

const std::vector<CloudDetection>* PredictionJournal::find(const std::string& content) const {
  const auto found = answers_.find(content);
  return found == answers_.end() ? nullptr : &found->second;
}

Result<void> PredictionJournal::add(const std::string& content,
                                    const std::vector<CloudDetection>& answers) {
  if (path().empty()) return {};
  Json list = Json::array();
  for (const CloudDetection& seen : answers) list.push_back(to_json(seen));
  VP_RETURN_IF_ERROR(lines_.add({{"content", content}, {"answers", std::move(list)}}));
  answers_.try_emplace(content, answers);
  return {};
}

}  // namespace visionpress
