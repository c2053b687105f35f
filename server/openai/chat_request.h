// The body of POST /v1/chat/completions, as OpenAI defines it and with the extensions that vLLM's users know.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "server/openai/generation_parameters.h"

namespace batucada {

const CompletionTable& ChatParameters();

// INVALID_ARGUMENT names the parameter, inside messages too: "messages[1].content[0].type". Thread-safe.
absl::StatusOr<CompletionParams> ParseChatRequest(std::string_view body, UnknownMembers* unknown = nullptr);

}  // namespace batucada
