// Responses on their way to the client that asked for them.
#pragma once

#include <memory>

#include "server/http/http.h"
#include "server/responses/response_run.h"

namespace batucada {

// One JSON document, once the response has ended and is kept.
std::unique_ptr<LiveAnswer> MakeWholeResponse(std::unique_ptr<ResponseRun> run, Headers headers);

// Server-sent events of OpenAI's types, numbered from 0: response.created and response.in_progress; for each message
// output_item.added, content_part.added, output_text.delta as the text comes, output_text.done, content_part.done and
// output_item.done; for what the model thinks the same with reasoning_text, or with reasoning_summary_part and
// reasoning_summary_text; for a call output_item.added, function_call_arguments.delta and .done, output_item.done; and
// last, when it is kept, response.completed, response.incomplete or response.failed. One that was cancelled ends with
// response.incomplete, and the status "cancelled".
std::unique_ptr<LiveAnswer> MakeStreamedResponse(std::unique_ptr<ResponseRun> run, Headers headers);

}  // namespace batucada
