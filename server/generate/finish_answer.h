// The end of an answer's text and of its calls, by what ended its generation.
#pragma once

#include "engine/core/request.h"
#include "text/answer/cut_answer.h"
#include "text/answer/told_calls.h"

namespace batucada {

// Whether something else than the model ended the text, wherever that was.
inline bool IsCut(const Finish& finish) {
  return finish.reason != FinishReason::kStop || finish.stop_string || finish.stop_token;
}

inline void FinishAnswer(AnswerParser& parser, const AnswerForm& form, const Finish& finish, AnswerPieces* out) {
  IsCut(finish) || form.must_call ? FinishCut(parser, form, out) : parser.Finish(out);
}

// Whether the text ended with calls for the client to answer: what a stop string left of one is none.
inline bool EndedWithCalls(const Finish& finish, const ToldCalls& calls) {
  return finish.reason == FinishReason::kStop && calls.count() > 0 && (calls.whole() || !IsCut(finish));
}

}  // namespace batucada
