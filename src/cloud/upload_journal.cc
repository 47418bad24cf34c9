#include "cloud/upload_journal.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/json_text.h"

namespace visionpress {
Result<UploadJournal> UploadJournal::open(const std::string& folder, const std::string& project) {
  UploadJournal journal;
  if (folder.empty()) return journal;
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  journal.path_ = (std::filesystem::path(folder) / ("upload-" + project + ".jsonl")).string();
  std::ifstream in(journal.path_);
  std::string line;
  bool whole = true;
  while (std::getline(in, line)) {
    whole = !in.eof();
    const auto json = parse_json<nlohmann::json>(line);
    if (!json.is_object()) continue;
    journal.contents_[text_at(json, "file")] = text_at(json, "content");
  }
  journal.file_.reset(std::fopen(journal.path_.c_str(), "ae"));
  if (journal.file_ == nullptr) {
    return in_file(fail(ErrorKind::Output, "cannot write: {}", std::strerror(errno)).value(),
                   journal.path_);
  }
  if (!whole) std::fputc('\n', journal.file_.get());
  return journal;
}

bool UploadJournal::has(const std::string& name, const std::string& content) const {
  const auto found = contents_.find(name);
  return found != contents_.end() && found->second == content;
}

Result<void> UploadJournal::add(const std::string& name, const std::string& content,
                                const std::string& image_id) {
  if (file_ == nullptr) return {};
  const nlohmann::ordered_json json = {{"file", name}, {"content", content}, {"id", image_id}};
  const std::string line =
      json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  const bool written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() &&
                       std::fflush(file_.get()) == 0 && ::fdatasync(::fileno(file_.get())) == 0;
  if (!written) {
    return in_file(fail(ErrorKind::Output, "cannot write: {}", std::strerror(errno)).value(),
                   path_);
  }
  contents_[name] = content;
  return {};
}

}  // namespace visionpress
