// What a request holds its text to: OpenAI's response_format, vLLM's structured_outputs and its older guided_* names.
#pragma once

#include "server/openai/generation_parameters.h"

namespace batucada {

void AddGrammarParameters(CompletionTable& table);

}  // namespace batucada
