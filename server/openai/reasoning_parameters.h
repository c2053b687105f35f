// How much a model thinks before it answers, and what becomes of it, as different clients say so.
#pragma once

#include <string>
#include <string_view>

#include "server/openai/generation_parameters.h"

namespace batucada {

// Behind the conversation's own members. What clients say of thinking reaches the template as the variables
// enable_thinking, thinking and reasoning_effort, unless chat_template_kwargs has them.
void AddReasoningParameters(CompletionTable& table);

// Refuses what is no such word, nor empty.
void CheckEffort(RequestReader& reader, std::string_view name, const std::string& effort);

// Who says in one place that the model is to think, and that it is to make no effort, says nothing. Names are for the
// error. Where clients say it in several places, as their layers do, the first one counts.
void FailContradiction(RequestReader& reader, std::string_view enabled, std::string_view effort);

// How hard, "none", "low", … "max"; nothing, if `effort` is empty. `name` is the parameter's, for errors.
void SetEffort(RequestReader& reader, std::string_view name, const std::string& effort, CompletionParams& params);

// After how many tokens of thinking the answer begins, or nothing; -1 is vLLM's way to say that there is no bound.
void ReadBudget(RequestReader& reader, std::string_view name, CompletionParams& params);

// Whether the model is to think, as `name` says, or beside what it says. REQUIRES: there is a conversation.
void SetThinking(std::string_view name, bool on, CompletionParams& params);

}  // namespace batucada
