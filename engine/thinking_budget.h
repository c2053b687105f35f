// A bound on what a model thinks before it answers: after so many tokens, and the rest of a character that the last of
// them began, the mark that ends the thinking is drawn, whatever the model would.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/token_constraint.h"
#include "text/answer/thinking.h"
#include "text/tokenizer.h"

namespace batucada {

struct ThinkingBudget {
  ThinkingMarks marks;
  ThinkingStart start = ThinkingStart::kOpen;
  int64_t tokens = 0;
};

// `inner` holds the text besides; null: nothing does. `tokenizer` outlives it.
std::shared_ptr<const Constraint> BoundThinking(ThinkingBudget budget, const Tokenizer& tokenizer,
                                                std::shared_ptr<const Constraint> inner);

}  // namespace batucada
