#include "text/answer/answer_parser.h"

#include <utility>

namespace batucada {

AnswerParser::AnswerParser(std::shared_ptr<const AnswerForm> form) : form_(std::move(form)) {
  if (form_->thinking && form_->splits_thinking) thinking_.emplace(*form_->thinking, form_->thinking_start);
  if (form_->calls != CallFormat::kNone) calls_ = FamilyOf(form_->calls).make_parser(&form_->tool_names);
}

void AnswerParser::Add(std::string_view text, AnswerPieces* out) {
  if (!thinking_ || thinking_->over()) return AddAnswer(text, out);
  AnswerPieces dropped;
  AddAnswer(thinking_->Add(text, form_->tells_thinking ? out : &dropped), out);
}

void AnswerParser::AddAnswer(std::string_view text, AnswerPieces* out) {
  if (text.empty()) return;
  if (calls_) {
    calls_->Add(text, out);
  } else {
    out->Add(AnswerPiece::Kind::kText, text);
  }
}

void AnswerParser::Finish(AnswerPieces* out) {
  AnswerPieces dropped;
  if (thinking_) AddAnswer(thinking_->Finish(form_->tells_thinking ? out : &dropped), out);
  if (calls_) calls_->Finish(out);
}

}  // namespace batucada
