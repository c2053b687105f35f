#include "text/answer/cut_answer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "text/answer/blanks.h"

namespace batucada {
namespace {

using Kind = AnswerPiece::Kind;

std::string_view WithoutBlanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text;
}

bool BeginsAName(std::string_view text, const std::vector<std::string>& names) {
  return !text.empty() &&
         std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(text); });
}

// {"name": "wea
bool IsCutJsonCall(std::string_view text, const std::vector<std::string>& names) {
  constexpr std::string_view kName = "\"name\"";
  const size_t key = text.find(kName);
  if (key == text.npos) return false;
  text = WithoutBlanks(text.substr(key + kName.size()));
  if (!text.starts_with(':')) return false;
  text = WithoutBlanks(text.substr(1));
  if (!text.starts_with('"')) return false;
  text.remove_prefix(1);
  return BeginsAName(text.substr(0, text.find('"')), names);
}

// Whether a parser that ends held `text` as what a call might become.
bool IsCutCall(std::string_view text, const AnswerForm& form) {
  text = WithoutBlanks(text);
  if (text.empty() || form.calls == CallFormat::kNone) return false;
  const CallFamily& family = FamilyOf(form.calls);
  for (const std::string& mark : family.marks) {
    if (IsCutMark(text, mark) || text.starts_with(mark)) return true;
  }
  if (form.calls == CallFormat::kPythonic) {
    if (text.starts_with(',')) return true;  // behind a call
    if (text.starts_with('[') && BeginsAName(WithoutBlanks(text.substr(1)), form.tool_names)) return true;
  }
  // Where calls have no mark they are told from an answer that is JSON by their names alone.
  return family.frame.trigger.empty() && IsCutJsonCall(text, form.tool_names);
}

}  // namespace

bool IsCutMark(std::string_view tail, std::string_view mark) {
  const bool word = absl::ascii_isalnum(static_cast<unsigned char>(mark.front()));
  return !tail.empty() && mark.starts_with(tail) && 3 * tail.size() >= (word ? 2 : 1) * mark.size();
}

void FinishCut(AnswerParser& parser, const AnswerForm& form, AnswerPieces* out) {
  AnswerPieces last;  // what was held back
  parser.Finish(&last);
  for (const AnswerPiece& piece : last.Take()) {
    if (piece.kind == Kind::kText && (form.must_call || IsCutCall(piece.text, form))) continue;
    const bool thinks = form.thinking && form.splits_thinking;
    const std::string_view text = WithoutBlanks(piece.text);
    if (piece.kind == Kind::kText && thinks && IsCutMark(text, form.thinking->begin)) continue;
    if (piece.kind == Kind::kThinking && thinks && IsCutMark(text, form.thinking->end)) continue;
    out->Add(piece.kind, piece.text);
  }
}

}  // namespace batucada
