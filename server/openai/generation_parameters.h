// The parameters that /v1/completions and /v1/chat/completions have in common.
#pragma once

#include "server/generate/completion_params.h"
#include "server/json/parameter_table.h"

namespace batucada {

using CompletionTable = ParameterTable<CompletionParams>;

void AddGenerationParameters(CompletionTable& table);

}  // namespace batucada
