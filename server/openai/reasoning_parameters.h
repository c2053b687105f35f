// How much a model thinks before it answers, and what becomes of it, as different clients say so.
#pragma once

#include "server/openai/generation_parameters.h"

namespace batucada {

// Behind the conversation's own members. What clients say of thinking reaches the template as the variables
// enable_thinking, thinking and reasoning_effort, unless chat_template_kwargs has them.
void AddReasoningParameters(CompletionTable& table);

// Whether the model is to think. REQUIRES: there is a conversation.
void SetThinking(bool on, CompletionParams& params);

}  // namespace batucada
