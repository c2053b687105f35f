#include "text/answer/json_call.h"

#include <algorithm>

#include "text/answer/blanks.h"
#include "text/hex_digit.h"
#include "text/utf8.h"

namespace batucada {
namespace {

using Kind = AnswerPiece::Kind;

}  // namespace

bool JsonUnescaper::Push(char c, std::string* out) {
  if (hex_left_ > 0) {
    const int digit = HexDigit(c);
    if (digit >= 0) {
      hex_ = hex_ * 16 + static_cast<uint32_t>(digit);
      if (--hex_left_ > 0) return true;
      if (hex_ >= 0xD800 && hex_ < 0xDC00) {
        if (high_ != 0) *out += kReplacementCharacter;
        high_ = hex_;
        return true;
      }
      uint32_t whole = hex_;
      if (hex_ >= 0xDC00 && hex_ < 0xE000) {
        whole = high_ != 0 ? 0x10000 + ((high_ - 0xD800) << 10) + (hex_ - 0xDC00) : 0xFFFD;
      } else if (high_ != 0) {
        *out += kReplacementCharacter;
      }
      high_ = 0;
      AppendUtf8(static_cast<char32_t>(whole), out);
      return true;
    }
    hex_left_ = 0;  // no escape after all
    *out += "\\u";
  }
  if (high_ != 0 && !(c == '\\' && !escaped_) && !(escaped_ && c == 'u')) {
    *out += kReplacementCharacter;
    high_ = 0;
  }
  if (!escaped_) {
    if (c == '"') return false;
    if (c == '\\') {
      escaped_ = true;
    } else {
      *out += c;
    }
    return true;
  }
  escaped_ = false;
  switch (c) {
    case 'n': *out += '\n'; break;
    case 't': *out += '\t'; break;
    case 'r': *out += '\r'; break;
    case 'b': *out += '\b'; break;
    case 'f': *out += '\f'; break;
    case 'u':
      hex_left_ = 4;
      hex_ = 0;
      break;
    default:
      if (c != '"' && c != '\\' && c != '/') *out += '\\';
      *out += c;
  }
  return true;
}

JsonCallReader::State JsonCallReader::Add(std::string_view* text, AnswerPieces* out) {
  size_t at = 0;
  State state = State::kReading;
  while (at < text->size() && state == State::kReading) {
    const char c = (*text)[at];
    state = Push(c, out);
    if (state == State::kBroken) break;  // not by this one's leave
    if (!begun_) raw_ += c;
    ++at;
    if (!begun_ && raw_.size() > kMostHeld) state = State::kBroken;
  }
  text->remove_prefix(at);
  return state;
}

JsonCallReader::State JsonCallReader::Push(char c, AnswerPieces* out) {
  switch (place_) {
    case Place::kOpen:
      if (IsBlank(c)) return State::kReading;
      if (c != '{') return State::kBroken;
      ++objects_;
      place_ = Place::kKey;
      return State::kReading;
    case Place::kKey:
      if (IsBlank(c)) return State::kReading;
      if (c == '}' && !needs_member_) return Close(out);
      if (c != '"') return State::kBroken;
      key_.clear();
      unescaper_ = {};
      place_ = Place::kInKey;
      return State::kReading;
    case Place::kInKey:
      if (!unescaper_.Push(c, &key_)) place_ = Place::kColon;
      return State::kReading;
    case Place::kColon:
      if (IsBlank(c)) return State::kReading;
      if (c != ':') return State::kBroken;
      place_ = Place::kValue;
      return State::kReading;
    case Place::kValue: return IsBlank(c) ? State::kReading : BeginValue(c, out);
    case Place::kInName:
      if (unescaper_.Push(c, &name_)) return State::kReading;
      has_name_ = true;
      place_ = Place::kBehind;
      return name_.empty() ? State::kBroken : State::kReading;
    case Place::kInText: {
      std::string text;
      if (!unescaper_.Push(c, &text)) {
        place_ = Place::kBehind;
        return State::kReading;
      }
      AddArguments(text, out);
      return State::kReading;
    }
    case Place::kInOther:
    case Place::kInArguments: {
      bool before = false;
      const bool last = PassValue(c, &before);
      if (place_ == Place::kInArguments && !before) AddArguments({&c, 1}, out);
      if (last) place_ = Place::kBehind;
      if (last && objects_ == 0) return State::kDone;  // see BeginNamed
      return before ? Push(c, out) : State::kReading;
    }
    case Place::kBehind: break;
  }
  if (IsBlank(c)) return State::kReading;
  if (c == '}') return Close(out);
  if (c != ',') return State::kBroken;
  needs_member_ = true;
  place_ = Place::kKey;
  return State::kReading;
}

JsonCallReader::State JsonCallReader::BeginValue(char c, AnswerPieces* out) {
  needs_member_ = false;
  const bool is_arguments = key_ == "arguments" || key_ == "parameters";
  if (key_ == "name" && !has_name_) {
    if (c != '"') return State::kBroken;
    unescaper_ = {};
    place_ = Place::kInName;
    return State::kReading;
  }
  if (key_ == "function" && c == '{' && objects_ == 1 && !has_name_ && !has_arguments_) {
    ++objects_;
    place_ = Place::kKey;
    return State::kReading;
  }
  if (is_arguments && !has_arguments_) {
    has_arguments_ = true;
    if (has_name_) {
      const State state = Begin(out);
      if (state != State::kReading) return state;
    }
    if (c == '"') {
      unescaper_ = {};
      place_ = Place::kInText;
      return State::kReading;
    }
    place_ = Place::kInArguments;
  } else {
    place_ = Place::kInOther;
  }
  depth_ = 0;
  in_string_ = escaped_ = false;
  scalar_ = c != '{' && c != '[' && c != '"';
  if (scalar_ && (c == '}' || c == ']' || c == ',')) return State::kBroken;
  return Push(c, out);
}

bool JsonCallReader::PassValue(char c, bool* before) {
  if (scalar_) {
    *before = c == ',' || c == '}' || c == ']' || IsBlank(c);
    return *before;
  }
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      return depth_ == 0;
    }
    return false;
  }
  if (c == '"') in_string_ = true;
  if (c == '{' || c == '[') ++depth_;
  return (c == '}' || c == ']') && --depth_ == 0;
}

void JsonCallReader::BeginNamed(std::string_view name, AnswerPieces* out) {
  name_ = name;
  has_name_ = has_arguments_ = true;
  place_ = Place::kInArguments;
  static_cast<void>(Begin(out));
}

JsonCallReader::State JsonCallReader::Close(AnswerPieces* out) {
  place_ = Place::kBehind;
  if (--objects_ > 0) return State::kReading;
  if (!has_name_) return State::kBroken;
  if (!begun_) {
    if (const State state = Begin(out); state != State::kReading) return state;
  }
  if (arguments_.empty()) out->Add(Kind::kArguments, "{}");
  return State::kDone;
}

JsonCallReader::State JsonCallReader::Begin(AnswerPieces* out) {
  if (names_ != nullptr && std::find(names_->begin(), names_->end(), name_) == names_->end()) return State::kBroken;
  begun_ = true;
  raw_.clear();
  out->Add(Kind::kCall, name_);
  out->Add(Kind::kArguments, arguments_);
  return State::kReading;
}

void JsonCallReader::AddArguments(std::string_view text, AnswerPieces* out) {
  if (begun_) {
    out->Add(Kind::kArguments, text);
    if (arguments_.empty() && !text.empty()) arguments_ = "…";  // only whether there are any
  } else {
    arguments_ += text;
  }
}

}  // namespace batucada
