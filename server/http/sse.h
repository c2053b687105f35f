// Server-sent events, as OpenAI streams them: one JSON document an event.
#pragma once

#include <string>
#include <string_view>

#include "server/http/http.h"

namespace batucada {

// An event in parts: what is appended between the two is its JSON, in one line.
void BeginEvent(std::string* out);
void EndEvent(std::string* out);
// Likewise, with a name of its type.
void BeginEvent(std::string* out, std::string_view type);
// REQUIRES: no line break in `json`, which JSON never needs.
void AppendEvent(std::string_view json, std::string* out);
// What clients ignore. REQUIRES: no line break in `text`.
void AppendComment(std::string_view text, std::string* out);
// The status line and headers of a stream of them.
HttpResponse EventStreamHead();
// "data: [DONE]": the end of a stream.
void AppendDone(std::string* out);

}  // namespace batucada
