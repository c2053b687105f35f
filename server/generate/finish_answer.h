// The end of an answer's text, by what ended its generation.
#pragma once

#include "engine/core/request.h"
#include "text/answer/cut_answer.h"

namespace batucada {

inline void FinishAnswer(AnswerParser& parser, const AnswerForm& form, const Finish& finish, AnswerPieces* out) {
  finish.reason == FinishReason::kStop ? parser.Finish(out) : FinishCut(parser, form, out);
}

}  // namespace batucada
