// The line that the log gets for every request: one JSON object.
//
//   {"time":"2026-03-01T12:00:00.123Z","level":"info","event":"request","id":"…","api":"completions","trace":"…",
//    "span":"…","model":"…","choices":1,"prompt_tokens":7,"generated_tokens":16,"queue_ms":0.1,"prefill_ms":3.0,
//    "decode_ms":40.2,"total_ms":43.5,"finish":["length"],"code":"…","param":"…"}
//
// trace, span, model, code and param are there if they are known.
#pragma once

#include <string>
#include <string_view>

#include "server/telemetry/request_record.h"

namespace batucada {

// `trace_id` and `span_id`: under which the request was recorded, or its client's trace; may be empty.
std::string RequestLine(const RequestRecord& record, std::string_view trace_id, std::string_view span_id);

}  // namespace batucada
