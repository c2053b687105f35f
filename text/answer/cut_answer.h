// The end of an answer that was cut, by max_tokens or a stop string: what it leaves of a mark, or of a call whose name
// is not told yet, is neither text nor call, and goes. Where the model itself ends so, it is text, unless the answer
// had to be calls.
#pragma once

#include <string_view>

#include "text/answer/answer_parser.h"

namespace batucada {

// Instead of parser.Finish. `form` is the parser's.
void FinishCut(AnswerParser& parser, const AnswerForm& form, AnswerPieces* out);

// Whether `tail`, with which a text was cut, is so much of `mark` that it is meant as one: a third; or two, of a mark
// that begins as a word does. A "<" may be anything.
bool IsCutMark(std::string_view tail, std::string_view mark);

}  // namespace batucada
