#include "text/answer/marked_calls.h"

#include <algorithm>
#include <utility>

#include "text/answer/blanks.h"

namespace batucada {
namespace {

using Kind = AnswerPiece::Kind;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}
bool AllBlank(std::string_view text) { return std::all_of(text.begin(), text.end(), IsBlank); }

}  // namespace

MarkedCallParser::MarkedCallParser(CallMarks marks, const std::vector<std::string>* names)
    : marks_(std::move(marks)), names_(names), place_(marks_.at_start ? Place::kStart : Place::kText) {}

size_t MarkedCallParser::MarkLength(std::string_view text) const {
  for (const std::string& mark : marks_.begins) {
    if (text.starts_with(mark)) return mark.size();
  }
  return 0;
}

bool MarkedCallParser::MayBecomeMark(std::string_view text) const {
  return std::any_of(marks_.begins.begin(), marks_.begins.end(),
                     [&](const std::string& mark) { return text.size() < mark.size() && mark.starts_with(text); });
}

void MarkedCallParser::Add(std::string_view text, AnswerPieces* out) {
  const std::string joined = std::exchange(unread_, {}).append(text);
  std::string_view rest = joined;
  while (!rest.empty()) {
    switch (place_) {
      case Place::kStart: ReadStart(&rest); break;
      case Place::kText: ReadText(&rest, out); break;
      case Place::kOpening: ReadOpening(&rest, out); break;
      case Place::kName: ReadName(&rest, out); break;
      case Place::kCall: ReadCall(&rest, out); break;
      case Place::kBehind: ReadBehind(&rest, out); break;
    }
  }
}

void MarkedCallParser::ReadStart(std::string_view* text) {
  size_t at = 0;
  while (at < text->size() && at < kMostBlanks && IsBlank((*text)[at])) ++at;
  if (at == text->size()) {
    unread_ = *text;
    *text = {};
  } else if ((*text)[at] == '{' || (*text)[at] == '[') {
    held_ = text->substr(0, at);
    text->remove_prefix(at);
    place_ = Place::kOpening;
  } else {
    place_ = Place::kText;
  }
}

void MarkedCallParser::ReadText(std::string_view* text, AnswerPieces* out) {
  size_t at = 0, mark = 0;
  for (; at < text->size(); ++at) {
    const std::string_view rest = text->substr(at);
    mark = MarkLength(rest);
    if (mark > 0 || MayBecomeMark(rest)) break;
  }
  size_t end = at;  // blanks before a mark go with it
  while (end > 0 && at - end < kMostBlanks && IsBlank((*text)[end - 1])) --end;
  out->Add(Kind::kText, text->substr(0, end));
  if (mark == 0) {
    unread_ = text->substr(end);
    *text = {};
    return;
  }
  held_ = text->substr(end, at - end + mark);
  text->remove_prefix(at + mark);
  marked_ = true;
  place_ = Place::kOpening;
}

void MarkedCallParser::ReadOpening(std::string_view* text, AnswerPieces* out) {
  const char c = text->front();
  if (c == '{') return BeginCall();
  if (!in_list_ && marked_ && !marks_.behind_name.empty() && IsNameCharacter(c)) {
    name_begin_ = held_.size();
    place_ = Place::kName;
    return;
  }
  if (!IsBlank(c) && (in_list_ || c != '[')) return GiveUp(out);
  in_list_ = in_list_ || c == '[';
  held_ += c;
  text->remove_prefix(1);
  if (held_.size() > kMostBlanks) GiveUp(out);
}

void MarkedCallParser::ReadName(std::string_view* text, AnswerPieces* out) {
  const char c = text->front();
  if (c == '{') {
    const std::string_view head = std::string_view{held_}.substr(name_begin_);
    const std::string_view name = head.substr(0, head.find('['));
    if (name.size() < head.size() && !head.ends_with(marks_.behind_name)) return GiveUp(out);
    call_.emplace(nullptr);
    call_->BeginNamed(name, out);
    held_.clear();
    place_ = Place::kCall;
    return;
  }
  if (static_cast<unsigned char>(c) < 0x20 || held_.size() > kLongestName) return GiveUp(out);
  held_ += c;
  text->remove_prefix(1);
}

void MarkedCallParser::BeginCall() {
  call_.emplace(marked_ ? nullptr : names_);
  place_ = Place::kCall;
}

void MarkedCallParser::ReadCall(std::string_view* text, AnswerPieces* out) {
  const JsonCallReader::State state = call_->Add(text, out);
  if (call_->begun()) held_.clear();
  if (state == JsonCallReader::State::kReading) return;
  if (!call_->begun()) {
    held_ += call_->unread();
    return GiveUp(out);
  }
  called_ = true;
  place_ = Place::kBehind;
}

void MarkedCallParser::ReadBehind(std::string_view* text, AnswerPieces* out) {
  const char c = text->front();
  const bool may_be_end = !marks_.end.empty() && marks_.end.starts_with(text->substr(0, marks_.end.size()));
  if (may_be_end && text->size() >= marks_.end.size()) {
    text->remove_prefix(marks_.end.size());
    held_.clear();
    marked_ = in_list_ = false;
    place_ = Place::kText;
  } else if (may_be_end || MayBecomeMark(*text)) {
    unread_ = *text;
    *text = {};
  } else if (MarkLength(*text) > 0) {
    held_.clear();
    in_list_ = false;
    place_ = Place::kText;
  } else if (c == '{') {
    BeginCall();
  } else if ((IsBlank(c) || c == ',' || c == ';' || (c == ']' && in_list_)) && held_.size() < kMostBlanks) {
    if (c == ']') in_list_ = false;
    held_ += c;
    text->remove_prefix(1);
  } else {
    if (const size_t bracket = held_.find(']'); bracket != held_.npos) held_.erase(0, bracket + 1);  // the list's end
    GiveUp(out);
  }
}

void MarkedCallParser::GiveUp(AnswerPieces* out) {
  out->Add(Kind::kText, held_);
  held_.clear();
  marked_ = in_list_ = false;
  place_ = Place::kText;
}

void MarkedCallParser::Finish(AnswerPieces* out) {
  switch (place_) {
    case Place::kStart:
    case Place::kText:
      if (!called_ || !AllBlank(unread_)) out->Add(Kind::kText, unread_);
      break;
    case Place::kOpening:
    case Place::kName: out->Add(Kind::kText, held_); break;
    case Place::kCall:
      if (!call_->begun()) out->Add(Kind::kText, held_ + call_->unread());
      break;
    case Place::kBehind:  // what is held are separators
      if (!marks_.end.starts_with(unread_)) out->Add(Kind::kText, unread_);
      break;
  }
}

}  // namespace batucada
