// The tools of a response, and how much the model thinks, as OpenAI's Responses say them.
#pragma once

#include "server/json/parameter_table.h"
#include "server/responses/response_request.h"

namespace batucada {

// tools, tool_choice and parallel_tool_calls.
void AddResponseTools(ParameterTable<ResponseParams>& table);

// reasoning: {"effort": …, "summary": …}
void AddResponseReasoning(ParameterTable<ResponseParams>& table);

}  // namespace batucada
