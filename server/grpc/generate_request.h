// Requests of batucada.v1 to what translate.h checks.
#pragma once

#include "absl/status/statusor.h"
#include "batucada/v1/batucada.pb.h"
#include "server/generate/completion_params.h"

namespace batucada {

// INVALID_ARGUMENT if there is no prompt; every other check is Translate's. Thread-safe.
absl::StatusOr<CompletionParams> ParseGenerateRequest(const v1::GenerateRequest& request);
// INVALID_ARGUMENT if a message or a tool is not one: "messages[1].role".
absl::StatusOr<CompletionParams> ParseChatRequest(const v1::ChatRequest& request);

// What both have in common. INVALID_ARGUMENT if the structured output is none.
absl::StatusOr<CompletionParams> ReadCommon(const v1::GenerateRequest& request);
absl::StatusOr<CompletionParams> ReadCommon(const v1::ChatRequest& request);

}  // namespace batucada
