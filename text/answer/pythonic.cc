// Llama 3.2 and 4, ToolACE: the answer is a list of calls as Python writes them. Values become JSON as they come.
//
//   [weather(city='Rio', days=2), time()]
#include <algorithm>
#include <utility>

#include "text/answer/call_format.h"
#include "text/answer/marked_calls.h"

namespace batucada {
namespace {

using Kind = AnswerPiece::Kind;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool IsNumberCharacter(char c) { return IsWordCharacter(c) || c == '.' || c == '+' || c == '-'; }

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
    if (place_ != Place::kBehind) out->Add(Kind::kText, held_);
    if (place_ == Place::kValue) EndWord(out);
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
          held_.clear();
          out->Add(Kind::kCall, std::exchange(word_, {}));
          out->Add(Kind::kArguments, "{");
          first_ = true;
          place_ = Place::kKey;
          return;
        }
        if ((!IsWordCharacter(c) && c != '.' && c != '-') || held_.size() > kMostHeld) return GiveUp(c, out);
        held_ += c;
        word_ += c;
        return;
      case Place::kKey: return PushKey(c, out);
      case Place::kValue: return PushValue(c, out);
      case Place::kEscape:
        PushEscape(c, out);
        place_ = Place::kString;
        return;
      case Place::kString:
        if (c == '\\') {
          place_ = Place::kEscape;
        } else if (c == quote_) {
          out->Add(Kind::kArguments, "\"");
          place_ = Place::kValue;
        } else if (c == '"') {
          out->Add(Kind::kArguments, "\\\"");
        } else if (c == '\n') {
          out->Add(Kind::kArguments, "\\n");
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

  void PushKey(char c, AnswerPieces* out) {
    if (c == ')' && word_.empty()) return EndCall(out);
    if (IsBlank(c) || (c == ',' && word_.empty())) return;
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
    if (IsNumberCharacter(c)) {
      Comma(out);
      word_ += c;
      return;
    }
    EndWord(out);
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
        return out->Add(Kind::kArguments, c == '{' ? "{" : "[");
      case ']':
      case ')':
      case '}':
        if (brackets_.empty()) return EndCall(out);
        comma_ = false;
        out->Add(Kind::kArguments, {&brackets_.back(), 1});
        return brackets_.pop_back();
      case ',':
        if (brackets_.empty()) {
          place_ = Place::kKey;
        } else {
          comma_ = true;
        }
        return;
      case ':': return out->Add(Kind::kArguments, ": ");
      default: return out->Add(Kind::kArguments, {&c, 1});
    }
  }

  // A comma that something follows.
  void Comma(AnswerPieces* out) {
    if (std::exchange(comma_, false)) out->Add(Kind::kArguments, ", ");
  }

  // A number, or one of Python's words.
  void EndWord(AnswerPieces* out) {
    if (word_.empty()) return;
    const std::string word = std::exchange(word_, {});
    if (word == "True" || word == "true") return out->Add(Kind::kArguments, "true");
    if (word == "False" || word == "false") return out->Add(Kind::kArguments, "false");
    if (word == "None" || word == "null") return out->Add(Kind::kArguments, "null");
    const bool number = (word[0] >= '0' && word[0] <= '9') || word[0] == '-' || word[0] == '.' || word[0] == '+';
    out->Add(Kind::kArguments, number ? word : "\"" + word + "\"");
  }

  void PushEscape(char c, AnswerPieces* out) {
    switch (c) {
      case '\'': return out->Add(Kind::kArguments, "'");
      case '"': return out->Add(Kind::kArguments, "\\\"");
      case '\n': return;  // the line goes on
      case 'n':
      case 't':
      case 'r':
      case 'b':
      case 'f':
      case 'u':
      case '\\': {
        const char escape[2] = {'\\', c};
        return out->Add(Kind::kArguments, {escape, 2});
      }
      default:  // means itself, as in Python
        out->Add(Kind::kArguments, "\\\\");
        out->Add(Kind::kArguments, {&c, 1});
    }
  }

  void EndCall(AnswerPieces* out) {
    out->Add(Kind::kArguments, "}");
    word_.clear();
    brackets_.clear();
    comma_ = false;
    held_.clear();
    place_ = Place::kBehind;
  }

  const std::vector<std::string>* const names_;
  std::unique_ptr<CallParser> json_;
  Place place_ = Place::kStart;
  std::string held_;  // read, and not told
  std::string word_;
  std::string brackets_;  // that close those which are open
  char quote_ = '"';
  bool open_ = false, closed_ = false, first_ = true, comma_ = false;
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
