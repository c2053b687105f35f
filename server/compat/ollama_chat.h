// What an Ollama conversation has that others have otherwise: past calls and their results, tools, thinking.
#pragma once

#include <optional>
#include <string>

#include "server/generate/completion_params.h"
#include "server/json/request_reader.h"

namespace batucada {

// The member `messages`, and what may stand beside it. A call's result belongs to the first call of that tool, or else
// of any, that has none yet. Errors go to `reader`.
void ReadOllamaMessages(RequestReader& reader, std::optional<ChatInput>* conversation);

// The member `tools`. REQUIRES: there is a conversation.
void ReadOllamaTools(RequestReader& reader, CompletionParams& params);

// What `think` says: true, false, or how hard: "low", "medium", "high".
struct OllamaThinking {
  std::optional<bool> on;
  std::string effort;
};
OllamaThinking ReadOllamaThink(RequestReader& reader);
// REQUIRES: there is a conversation.
void SetOllamaThinking(const OllamaThinking& asked, CompletionParams& params);

}  // namespace batucada
