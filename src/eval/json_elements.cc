#include "eval/json_elements.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"

namespace visionpress {
namespace {

constexpr std::size_t kWindow = std::size_t{4} << 20;
constexpr std::size_t kMaxElement = std::size_t{64} << 20;

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// A window onto the file, which grows for an element that exceeds it.
class Walker {
 public:
  Walker(std::FILE* file, const OnJsonElement& on) : file_(file), on_(on) {
    buffer_.resize(kWindow + kJsonPadding);
  }

  Result<void> walk() {
    VP_RETURN_IF_ERROR(fill());
    if (view(3) == "\xEF\xBB\xBF") at_ += 3;  // as Windows tools begin UTF-8
    VP_RETURN_IF_ERROR(expect('{'));
    VP_ASSIGN_OR_RETURN(bool more, begin_list('}'));
    while (more) {
      VP_RETURN_IF_ERROR(walk_field());
      VP_ASSIGN_OR_RETURN(more, go_on('}'));
    }
    VP_ASSIGN_OR_RETURN(const bool rest, find_character());
    if (rest) return bad("text after the end of the root");
    return {};
  }

 private:
  Result<void> walk_field() {
    VP_ASSIGN_OR_RETURN(const std::size_t key_bytes, measure_value());
    if (buffer_[at_] != '"') return bad("expected a key in quotes");
    // Keys with escapes are none that anybody asks for, and stay as written.
    const std::string key(&buffer_[at_ + 1], key_bytes - 2);
    at_ += key_bytes;
    VP_RETURN_IF_ERROR(expect(':'));
    VP_ASSIGN_OR_RETURN(const bool found, find_character());
    if (!found) return bad("the file ends where a value is expected");
    if (buffer_[at_] != '[') {
      VP_ASSIGN_OR_RETURN(const std::size_t bytes, measure_value());
      at_ += bytes;
      return {};
    }
    ++at_;
    VP_ASSIGN_OR_RETURN(bool more, begin_list(']'));
    for (std::size_t index = 0; more; ++index) {
      VP_ASSIGN_OR_RETURN(const std::size_t bytes, measure_value());
      if (auto read = on_(key, index, view(bytes)); !read) return read;
      at_ += bytes;
      VP_ASSIGN_OR_RETURN(more, go_on(']'));
    }
    return {};
  }

  tl::unexpected<Error> bad(const char* what) const {
    return fail_at(ErrorKind::Malformed, offset_ + at_, "{}", what);
  }

  [[nodiscard]] std::string_view view(std::size_t bytes) const {
    return {&buffer_[at_], std::min(bytes, end_ - at_)};
  }

  /// Reads more behind what is not yet used. Without any more, the file has ended.
  Result<void> fill() {
    std::memmove(buffer_.data(), &buffer_[at_], end_ - at_);
    offset_ += at_;
    end_ -= at_;
    at_ = 0;
    if (end_ + kJsonPadding == buffer_.size()) {
      if (end_ >= kMaxElement) return bad("one element is larger than 64 MB");
      buffer_.resize(end_ * 2 + kJsonPadding);
    }
    const std::size_t room = buffer_.size() - kJsonPadding - end_;
    const std::size_t count = std::fread(&buffer_[end_], 1, room, file_);
    if (count < room && std::ferror(file_) != 0) {
      return fail(ErrorKind::Io, "cannot read: {}", std::strerror(errno));
    }
    ended_ = count == 0;
    end_ += count;
    return {};
  }

  /// Goes to the next character that is no blank. returns: false at the end of the file.
  Result<bool> find_character() {
    while (true) {
      while (at_ < end_ && is_blank(buffer_[at_])) ++at_;
      if (at_ < end_) return true;
      VP_RETURN_IF_ERROR(fill());
      if (ended_) return false;
    }
  }

  Result<void> expect(char c) {
    VP_ASSIGN_OR_RETURN(const bool found, find_character());
    if (!found || buffer_[at_] != c) {
      return fail_at(ErrorKind::Malformed, offset_ + at_, "expected '{}'{}", c,
                     found ? "" : ", and the file ends");
    }
    ++at_;
    return {};
  }

  /// After an opening bracket. returns: whether there is an element.
  Result<bool> begin_list(char close) {
    VP_ASSIGN_OR_RETURN(const bool found, find_character());
    if (!found) return bad("the file ends inside of a list");
    if (buffer_[at_] != close) return true;
    ++at_;
    return false;
  }

  /// After an element. returns: whether there is another one.
  Result<bool> go_on(char close) {
    VP_ASSIGN_OR_RETURN(const bool found, find_character());
    if (!found) return bad("the file ends inside of a list");
    const char c = buffer_[at_];
    if (c != ',' && c != close) return bad("expected ',' or the end of the list");
    ++at_;
    if (c == close) return false;
    VP_ASSIGN_OR_RETURN(const bool next, find_character());
    if (!next) return bad("the file ends inside of a list");
    return true;
  }

  /// Bytes of the value that begins here (blanks before it are skipped), all of them in the window.
  Result<std::size_t> measure_value() {
    VP_ASSIGN_OR_RETURN(const bool found, find_character());
    if (!found) return bad("the file ends where a value is expected");
    std::size_t bytes = 0;  // looked at
    std::size_t depth = 0;
    bool in_string = false;
    while (true) {
      const Scan scan = scan_value(bytes, depth, in_string);
      if (scan == Scan::Whole) {
        if (bytes == 0) return bad("expected a value");
        return bytes;
      }
      VP_RETURN_IF_ERROR(fill());
      if (ended_) {
        return fail_at(ErrorKind::Malformed, offset_ + end_, "the file ends inside of a value");
      }
    }
  }

  enum class Scan : std::uint8_t { Whole, NeedsMore };

  /// Goes on from `bytes` to the end of the value or of the window.
  Scan scan_value(std::size_t& bytes, std::size_t& depth, bool& in_string) const {
    const char* const text = &buffer_[at_];
    const std::size_t size = end_ - at_;
    while (bytes < size) {
      if (in_string) {
        const std::size_t step = scan_string(text, size, bytes);
        if (step == 0) return Scan::NeedsMore;
        bytes = step;
        in_string = false;
        if (depth == 0) return Scan::Whole;
        continue;
      }
      const char c = text[bytes];
      if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return Scan::Whole;  // of the list around a number or word
        if (--depth == 0) {
          ++bytes;
          return Scan::Whole;
        }
      } else if (depth == 0 && (c == ',' || is_blank(c))) {
        return Scan::Whole;
      }
      ++bytes;
    }
    return Scan::NeedsMore;
  }

  /// at: behind an opening quote or inside of its string. Moves `at` over what need not be looked
  /// at again. returns: behind the closing quote, or 0 where the window ends before it.
  static std::size_t scan_string(const char* text, std::size_t size, std::size_t& at) {
    while (at < size) {
      const char c = text[at];
      if (c == '"') return at + 1;
      if (c == '\\') {
        if (at + 1 >= size) return 0;
        ++at;
      }
      ++at;
    }
    return 0;
  }

  std::FILE* file_;
  const OnJsonElement& on_;
  std::vector<char> buffer_ = {};
  std::uint64_t offset_ = 0;  ///< of the window in the file
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<void> walk_json_elements(const std::string& path, const OnJsonElement& on) {
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rbe"));
  if (file == nullptr) {
    return fail_in(path, ErrorKind::Io, "cannot open: {}", std::strerror(errno));
  }
  Result<void> walked = Walker(file.get(), on).walk();
  if (!walked) return in_file(std::move(walked).error(), path);
  return {};
}

}  // namespace visionpress
