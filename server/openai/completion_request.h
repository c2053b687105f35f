// The body of POST /v1/completions, as OpenAI defines it and with the extensions that vLLM's users know.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "server/generate/completion_params.h"
#include "server/openai/generation_parameters.h"

namespace batucada {

const CompletionTable& CompletionParameters();

// INVALID_ARGUMENT names the parameter: not JSON, a wrong type, an unknown member, or one that this server does not act
// on although it would change the answer. Thread-safe.
// A string, token ids, or a list of either.
void ReadPrompts(RequestReader& reader, CompletionParams& params);
boost::json::object PromptSchema();

absl::StatusOr<CompletionParams> ParseCompletionRequest(std::string_view body, UnknownMembers* unknown = nullptr);

}  // namespace batucada
