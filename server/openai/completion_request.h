// The body of POST /v1/completions, as OpenAI defines it and with the extensions that vLLM's users know.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/generate/completion_params.h"
#include "server/openai/generation_parameters.h"

namespace batucada {

const CompletionTable& CompletionParameters();

// The member prompt: a string, token ids, or a list of either.
void ReadPrompts(RequestReader& reader, CompletionParams& params);
// The same of a value that is there, and called `name`.
void ReadPromptsOf(RequestReader& reader, std::string_view name, const boost::json::value& value,
                   std::vector<Prompt>* prompts);
boost::json::object PromptSchema();

// INVALID_ARGUMENT names the parameter: not JSON, a wrong type, an unknown member, or one that this server does not act
// on although it would change the answer. Thread-safe.
absl::StatusOr<CompletionParams> ParseCompletionRequest(std::string_view body, UnknownMembers* unknown = nullptr);

}  // namespace batucada
