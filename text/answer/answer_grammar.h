// What all parts of an answer are held to, as one grammar: thinking, which is free, then calls of tools, or what the
// request asks of the text.
#pragma once

#include <optional>

#include "text/answer/answer_parser.h"
#include "text/answer/tools.h"
#include "text/grammar.h"

namespace batucada {

// `tools`: null where there are none; `own`: what the text is held to. Nothing, where nothing is held.
std::optional<GrammarSpec> AnswerGrammar(const OfferedTools* tools, const AnswerForm& form,
                                         const std::optional<GrammarSpec>& own);

}  // namespace batucada
