#include "cloud/upload_journal.h"

#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/json_text.h"
#include "base/output_file.h"
#include "cloud/custom_vision_rules.h"

namespace visionpress {
namespace {

using Json = LineJournal::Json;

constexpr const char* kFile = "file";
constexpr const char* kProject = "project";
constexpr const char* kContent = "content";

}  // namespace

Result<UploadJournal> UploadJournal::open(const std::string& folder, const std::string& project) {
  UploadJournal journal;
  if (folder.empty()) return journal;
  VP_RETURN_IF_ERROR(check_not_stdout(folder));
  VP_RETURN_IF_ERROR(check_id("the project", project));
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  const auto path = std::filesystem::path(folder) / ("upload-" + project + ".jsonl");
  LineJournal::Form form;
  form.head = {{kProject, project}};
  // Older journals have no head.
  form.is_own = [&project](const Json& line) {
    return text_at(line, kProject) == project || (line.contains(kFile) && line.contains(kContent));
  };
  form.what = "what an upload to this project acknowledged";
  VP_ASSIGN_OR_RETURN(journal.lines_, LineJournal::open(path.string(), form));
  for (const Json& line : journal.lines_.take_lines()) {
    journal.contents_[text_at(line, kFile)] = text_at(line, kContent);
  }
  return journal;
}

bool UploadJournal::has(const std::string& name, const std::string& content) const {
  const auto found = contents_.find(name);
  return found != contents_.end() && found->second == content;
}

Result<void> UploadJournal::add(const std::string& name, const std::string& content,
                                const std::string& image_id) {
  if (lines_.path().empty()) return {};
  VP_RETURN_IF_ERROR(lines_.add({{kFile, name}, {kContent, content}, {"id", image_id}}));
  contents_[name] = content;
  return {};
}

}  // namespace visionpress
