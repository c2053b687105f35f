#include "server/config/config_file.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/status.h"

namespace batucada {
namespace {

bool IsNameChar(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; }

// Walks the text once, a character at a time.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Setting>> Read() {
    std::vector<Setting> settings;
    std::set<std::string> names;
    while (true) {
      SkipToContent();
      if (at_end()) return settings;
      if (peek() == '[') {
        BATUCADA_RETURN_IF_ERROR(SkipDefaultSection());
        continue;
      }
      Setting setting = {.line = line_};
      BATUCADA_ASSIGN_OR_RETURN(setting.name, ReadName());
      BATUCADA_ASSIGN_OR_RETURN(setting.values, ReadValues());
      BATUCADA_RETURN_IF_ERROR(EndLine());
      if (!names.insert(setting.name).second) {
        return Wrong(fmt::format("'{}' is set twice: several values are a list, {} = [\"a\", \"b\"]", setting.name,
                                 setting.name),
                     setting.line);
      }
      settings.push_back(std::move(setting));
    }
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  char Take() {
    if (text_[at_] == '\n') ++line_;
    return text_[at_++];
  }

  absl::Status Wrong(std::string_view problem, int line = 0) const {
    return absl::InvalidArgumentError(fmt::format("line {}: {}", line > 0 ? line : line_, problem));
  }

  void SkipSpaces() {
    while (!at_end() && (peek() == ' ' || peek() == '\t' || peek() == '\r')) Take();
  }
  void SkipComment() {
    if (at_end() || (peek() != '#' && peek() != ';')) return;
    while (!at_end() && peek() != '\n') Take();
  }
  // Past spaces, comments and ends of lines.
  void SkipToContent() {
    size_t before = 0;
    do {
      before = at_;
      SkipSpaces();
      SkipComment();
      if (!at_end() && peek() == '\n') Take();
    } while (at_ != before);
  }

  absl::Status EndLine() {
    SkipSpaces();
    SkipComment();
    if (at_end() || peek() == '\n') return absl::OkStatus();
    return Wrong("after the value there is something more: quote a value that holds a space, a comma, # or ;");
  }

  // [default] is what INI calls settings without a section.
  absl::Status SkipDefaultSection() {
    constexpr std::string_view kDefault = "[default]";
    const std::string_view rest = text_.substr(at_, kDefault.size());
    if (!absl::EqualsIgnoreCase(absl::string_view(rest.data(), rest.size()), "[default]")) {
      return Wrong("there are no sections: write settings without one");
    }
    at_ += kDefault.size();
    return EndLine();
  }

  absl::StatusOr<std::string> ReadName() {
    const char quote = peek() == '"' || peek() == '\'' ? Take() : '\0';
    std::string name;
    while (!at_end() && IsNameChar(peek())) name += Take();
    if (quote != '\0' && (at_end() || Take() != quote))
      return Wrong("the quote before the setting's name is not closed");
    SkipSpaces();
    if (name.empty() || at_end() || peek() != '=') return Wrong("this is not the name of a setting, = and its value");
    Take();
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
  }

  absl::StatusOr<std::vector<std::string>> ReadValues() {
    SkipSpaces();
    if (!at_end() && peek() == '[') return ReadList();
    BATUCADA_ASSIGN_OR_RETURN(std::string value, ReadValue());
    return std::vector<std::string>{std::move(value)};
  }

  absl::StatusOr<std::vector<std::string>> ReadList() {
    Take();
    std::vector<std::string> values;
    while (true) {
      SkipToContent();
      if (!at_end() && peek() == ']') break;
      BATUCADA_ASSIGN_OR_RETURN(std::string value, ReadValue());
      values.push_back(std::move(value));
      SkipToContent();
      if (!at_end() && peek() == ',') {
        Take();
      } else if (at_end() || peek() != ']') {
        return Wrong("a list is [a, b]: here a comma or ] is missing");
      }
    }
    Take();
    return values;
  }

  absl::StatusOr<std::string> ReadValue() {
    std::string value;
    if (!at_end() && (peek() == '"' || peek() == '\'')) {
      const char quote = Take();
      while (!at_end() && peek() != quote && peek() != '\n') {
        if (quote == '"' && peek() == '\\') {
          Take();
          if (at_end() || (peek() != '"' && peek() != '\\')) return Wrong("in quotes only \\\" and \\\\ are escapes");
        }
        value += Take();
      }
      if (at_end() || peek() == '\n') return Wrong("a quote is not closed");
      Take();
      return value;
    }
    constexpr std::string_view kEnds = " \t\r\n,[]#;\"'";
    while (!at_end() && kEnds.find(peek()) == kEnds.npos) value += Take();
    if (value.empty()) return Wrong("a value is missing; an empty one is \"\"");
    if (!at_end() && (peek() == '#' || peek() == ';')) {  // half of a key would be another key
      return Wrong("a # or ; follows a value at once: quote the value, or put a space before a comment");
    }
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<Setting>> ParseConfigFile(std::string_view text) {
  if (text.find('\0') != text.npos) return absl::InvalidArgumentError("it holds a NUL: this is no text file");
  return Reader(text).Read();
}

}  // namespace batucada
