#include "server/http/sse.h"

namespace batucada {

HttpResponse EventStreamHead() {
  return {.content_type = "text/event-stream; charset=utf-8",
          .headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}},
          .body = ""};
}

void AppendEvent(std::string_view json, std::string* out) {
  *out += "data: ";
  *out += json;
  *out += "\n\n";
}

void AppendComment(std::string_view text, std::string* out) {
  *out += ": ";
  *out += text;
  *out += "\n\n";
}

void AppendDone(std::string* out) { AppendEvent("[DONE]", out); }

}  // namespace batucada
