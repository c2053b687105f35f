// Llama 3.2 and 4, ToolACE: the answer is a list of calls as Python writes them. Values become JSON as they come.
//
//   [weather(city='Rio', days=2), time()]
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "text/answer/blanks.h"
#include "text/answer/call_format.h"
#include "text/answer/marked_calls.h"

namespace batucada {
namespace {

using Kind = AnswerPiece::Kind;

bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool IsNumberCharacter(char c) { return IsWordCharacter(c) || c == '.' || c == '+' || c == '-'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// RFC 8259, section 6.
bool IsJsonNumber(std::string_view text) {
  const auto digits = [&text] {
    const size_t count = static_cast<size_t>(std::find_if_not(text.begin(), text.end(), IsDigit) - text.begin());
    text.remove_prefix(count);
    return count;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool zero = text.starts_with('0');
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

// A number as Python writes it (1_000, .5, 12., 0x1F, +1), as JSON does; empty if it is none, or one that JSON lacks.
std::string JsonNumber(std::string word) {
  std::erase(word, '_');
  std::string sign;
  if (word.starts_with('+') || word.starts_with('-')) {
    if (word[0] == '-') sign = "-";
    word.erase(0, 1);
  }
  if (word.size() > 2 && word[0] == '0') {
    const int base = word[1] == 'x' || word[1] == 'X'   ? 16
                     : word[1] == 'o' || word[1] == 'O' ? 8
                     : word[1] == 'b' || word[1] == 'B' ? 2
                                                        : 0;
    if (base > 0) {
      uint64_t value = 0;
      const char* const end = word.data() + word.size();
      const auto [stop, error] = std::from_chars(word.data() + 2, end, value, base);
      return error == std::errc() && stop == end ? sign + std::to_string(value) : "";
    }
  }
  if (word.starts_with('.')) word.insert(0, "0");
  if (const size_t point = word.find('.');
      point != word.npos && (point + 1 == word.size() || !IsDigit(word[point + 1]))) {
    word.insert(point + 1, "0");
  }
  word.insert(0, sign);
  return IsJsonNumber(word) ? word : "";
}

// JSON's escape of a code point.
std::string JsonEscape(uint32_t code) {
  if (code > 0x10FFFF) code = 0xFFFD;
  char text[16];
  if (code < 0x10000) {
    std::snprintf(text, sizeof(text), "\\u%04x", code);
  } else {
    std::snprintf(text, sizeof(text), "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF));
  }
  return text;
}

class PythonicParser : public CallParser {
 public:
  explicit PythonicParser(const std::vector<std::string>* names) : names_(names) {}

  void Add(std::string_view text, AnswerPieces* out) override {
    for (size_t i = 0; i < text.size(); ++i) {
      if (json_) return json_->Add(text.substr(i), out);
      if (place_ == Place::kText) return out->Add(Kind::kText, text.substr(i));
      Push(text[i], out);
    }
  }
  void Finish(AnswerPieces* out) override {
    if (json_) return json_->Finish(out);
    if (!name_.empty()) Announce(out);
    if (place_ != Place::kBehind) out->Add(Kind::kText, held_);
    if (place_ == Place::kValue) EndValue(out);
  }

 private:
  enum class Place : uint8_t { kStart, kName, kKey, kValue, kString, kEscape, kBehind, kText };
  static constexpr size_t kMostHeld = 512;

  void GiveUp(AnswerPieces* out) {
    out->Add(Kind::kText, held_);
    held_.clear();
    place_ = Place::kText;
  }
  // The same with a character that was read.
  void GiveUp(char c, AnswerPieces* out) {
    held_ += c;
    GiveUp(out);
  }

  void Push(char c, AnswerPieces* out) {
    switch (place_) {
      case Place::kStart: {
        const bool opens = c == '[' && !open_;
        if (c == '{') return BeginJson(c, out);
        if (open_ && (IsWordCharacter(c))) {
          word_ = c;
          place_ = Place::kName;
        } else if (!IsBlank(c) && !opens) {
          return GiveUp(c, out);
        }
        open_ = open_ || opens;
        held_ += c;
        if (held_.size() > kMostHeld) GiveUp(out);
        return;
      }
      case Place::kName:
        if (c == '(' && std::find(names_->begin(), names_->end(), word_) != names_->end()) {
          held_ += c;
          name_ = std::exchange(word_, {});  // told when what follows is sure to be arguments with names, or none
          place_ = Place::kKey;
          return;
        }
        if ((!IsWordCharacter(c) && c != '.' && c != '-') || held_.size() > kMostHeld) return GiveUp(c, out);
        held_ += c;
        word_ += c;
        return;
      case Place::kKey: return PushKey(c, out);
      case Place::kValue: return PushValue(c, out);
      case Place::kEscape: return PushEscape(c, out);
      case Place::kString:
        if (c == '\\') {
          place_ = Place::kEscape;
        } else if (c == quote_) {
          ended_ = true;  // told when no other string follows it, which would be a part of it
          place_ = Place::kValue;
        } else if (c == '"') {
          out->Add(Kind::kArguments, "\\\"");
        } else if (static_cast<unsigned char>(c) < ' ') {
          out->Add(Kind::kArguments, c == '\n' ? "\\n" : JsonEscape(static_cast<unsigned char>(c)));
        } else {
          out->Add(Kind::kArguments, {&c, 1});
        }
        return;
      case Place::kBehind:
        if (c == ']' && !closed_) {
          closed_ = true;
          held_.clear();
        } else if (IsBlank(c) && held_.size() < kMostHeld) {
          held_ += c;
        } else if (c == ',' && !closed_) {
          held_ = ", ";
          place_ = Place::kStart;
        } else {
          GiveUp(c, out);
        }
        return;
      case Place::kText: return out->Add(Kind::kText, {&c, 1});
    }
  }

  // Where a grammar holds the calls they are JSON.
  void BeginJson(char c, AnswerPieces* out) {
    json_ = std::make_unique<MarkedCallParser>(CallMarks{.begins = {}, .end = "", .at_start = true}, names_);
    json_->Add(held_ + c, out);
  }

  void Announce(AnswerPieces* out) {
    held_.clear();
    out->Add(Kind::kCall, std::exchange(name_, {}));
    out->Add(Kind::kArguments, "{");
    first_ = true;
  }

  void PushKey(char c, AnswerPieces* out) {
    if (!name_.empty()) {
      const bool named = (c == '=' && !word_.empty()) || (c == ')' && word_.empty());
      if (!named && !IsWordCharacter(c) && !IsBlank(c)) {  // a value that no parameter is named for
        name_.clear();
        return GiveUp(c, out);
      }
      if (named) {
        Announce(out);
      } else {
        held_ += c;
        if (held_.size() > kMostHeld) {
          name_.clear();
          return GiveUp(out);
        }
      }
    }
    if (c == ')') return EndCall(out);
    if (c == ',') return word_.clear();
    if (IsBlank(c)) return;
    if (c != '=') {
      word_ += c;
      return;
    }
    out->Add(Kind::kArguments, std::exchange(first_, false) ? "\"" : ", \"");
    for (const char one : std::exchange(word_, {})) {
      if (one == '"' || one == '\\') out->Add(Kind::kArguments, "\\");
      out->Add(Kind::kArguments, {&one, 1});
    }
    out->Add(Kind::kArguments, "\": ");
    place_ = Place::kValue;
  }

  void PushValue(char c, AnswerPieces* out) {
    const bool quotes = c == '"' || c == '\'';
    if (ended_ && IsBlank(c)) return;
    if (ended_ && quotes) {
      ended_ = false;
      quote_ = c;
      place_ = Place::kString;
      return;
    }
    if (IsNumberCharacter(c)) {
      EndString(out);
      Comma(out);
      word_ += c;
      return;
    }
    if (quotes && word_.size() == 1) word_.clear();  // r'', f'' …
    EndValue(out);
    if (IsBlank(c)) return;
    switch (c) {
      case '"':
      case '\'':
        Comma(out);
        quote_ = c;
        place_ = Place::kString;
        return out->Add(Kind::kArguments, "\"");
      case '[':
      case '(':
      case '{':
        Comma(out);
        brackets_ += c == '{' ? '}' : ']';
        key_ = c == '{';
        return out->Add(Kind::kArguments, c == '{' ? "{" : "[");
      case ']':
      case ')':
      case '}':
        if (brackets_.empty()) return EndCall(out);
        comma_ = key_ = false;
        out->Add(Kind::kArguments, {&brackets_.back(), 1});
        return brackets_.pop_back();
      case ',':
        if (brackets_.empty()) {
          place_ = Place::kKey;
        } else {
          comma_ = true;
          key_ = brackets_.back() == '}';
        }
        return;
      case ':': key_ = false; return out->Add(Kind::kArguments, ": ");
      default: return out->Add(Kind::kArguments, {&c, 1});
    }
  }

  // A comma that something follows.
  void Comma(AnswerPieces* out) {
    if (std::exchange(comma_, false)) out->Add(Kind::kArguments, ", ");
  }

  void EndString(AnswerPieces* out) {
    if (std::exchange(ended_, false)) out->Add(Kind::kArguments, "\"");
  }

  // A string, a number, or one of Python's words.
  void EndValue(AnswerPieces* out) {
    EndString(out);
    if (word_.empty()) return;
    const std::string word = std::exchange(word_, {});
    std::string json = word == "True" || word == "true"     ? "true"
                       : word == "False" || word == "false" ? "false"
                       : word == "None" || word == "null"   ? "null"
                                                            : JsonNumber(word);
    if (json.empty() || key_) json = "\"" + (json.empty() ? word : json) + "\"";  // JSON's keys are strings
    out->Add(Kind::kArguments, json);
  }

  void PushEscape(char c, AnswerPieces* out) {
    if (!escape_.empty()) {
      const size_t digits = escape_[0] == 'x' ? 2 : escape_[0] == 'u' ? 4 : 8;
      if (!IsHexDigit(c)) {  // it means itself, as far as it came
        out->Add(Kind::kArguments, "\\\\" + std::exchange(escape_, {}));
        place_ = Place::kString;
        return Push(c, out);
      }
      escape_ += c;
      if (escape_.size() <= digits) return;
      uint32_t code = 0;
      std::from_chars(escape_.data() + 1, escape_.data() + escape_.size(), code, 16);
      escape_.clear();
      place_ = Place::kString;
      return out->Add(Kind::kArguments, JsonEscape(code));
    }
    if (c == 'x' || c == 'u' || c == 'U') {
      escape_ = c;
      return;
    }
    place_ = Place::kString;
    switch (c) {
      case '\'': return out->Add(Kind::kArguments, "'");
      case '"': return out->Add(Kind::kArguments, "\\\"");
      case '\n': return;  // the line goes on
      case 'a': return out->Add(Kind::kArguments, JsonEscape(7));
      case 'v': return out->Add(Kind::kArguments, JsonEscape(11));
      case '0': return out->Add(Kind::kArguments, JsonEscape(0));
      case 'n':
      case 't':
      case 'r':
      case 'b':
      case 'f':
      case '\\': {
        const char escape[2] = {'\\', c};
        return out->Add(Kind::kArguments, {escape, 2});
      }
      default:  // means itself, as in Python
        out->Add(Kind::kArguments, "\\\\");
        return Push(c, out);
    }
  }

  void EndCall(AnswerPieces* out) {
    out->Add(Kind::kArguments, "}");
    word_.clear();
    brackets_.clear();
    comma_ = key_ = false;
    held_.clear();
    place_ = Place::kBehind;
  }

  const std::vector<std::string>* const names_;
  std::unique_ptr<CallParser> json_;
  Place place_ = Place::kStart;
  std::string held_;  // read, and not told
  std::string name_;  // likewise, of a call
  std::string word_;
  std::string escape_;    // of a string, without its backslash
  std::string brackets_;  // that close those which are open
  char quote_ = '"';
  bool open_ = false, closed_ = false, first_ = true, comma_ = false;
  bool key_ = false;    // a dictionary's key is next
  bool ended_ = false;  // a string, whose end is not told yet
};

}  // namespace

const CallFamily& PythonicCalls() {
  static const CallFamily family = {
      .format = CallFormat::kPythonic,
      .name = "pythonic",
      .matches = [](std::string_view source) { return source.find("[func_name1(") != source.npos; },
      .make_parser = [](const std::vector<std::string>* names) -> std::unique_ptr<CallParser> {
        return std::make_unique<PythonicParser>(names);
      },
      .frame = {.trigger = "",
                .open = "[",
                .before_name = "{\"name\": ",
                .before_arguments = ", \"arguments\": ",
                .behind = "}",
                .separator = ", ",
                .close = "]"},
      .marks = {}};
  return family;
}

}  // namespace batucada
