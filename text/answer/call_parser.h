// Calls of tools in a model's text, found as the text comes: one file for each family of models, see call_format.h.
//
// A text without a call comes out as it went in, byte for byte, however it was cut into pieces. What only looks like a
// call is text, too. Blanks next to a call go with it. Once a call's name is told it stays a call: whatever is wrong
// with its arguments is the arguments' own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer/answer_piece.h"

namespace batucada {

// Used by one thread at a time. Time in proportion to the text, whatever it holds.
class CallParser {
 public:
  virtual ~CallParser() = default;
  virtual void Add(std::string_view text, AnswerPieces* out) = 0;
  // The text has ended.
  virtual void Finish(AnswerPieces* out) = 0;
};

}  // namespace batucada
