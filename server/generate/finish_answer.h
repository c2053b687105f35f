// The end of an answer's text, by what ended its generation.
#pragma once

#include "engine/core/request.h"
#include "text/answer/cut_answer.h"

namespace batucada {

inline void FinishAnswer(AnswerParser& parser, const AnswerForm& form, const Finish& finish, AnswerPieces* out) {
  const bool whole = finish.reason == FinishReason::kStop && !form.must_call;  // a stop string cuts a call, too
  whole ? parser.Finish(out) : FinishCut(parser, form, out);
}

}  // namespace batucada
