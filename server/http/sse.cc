#include "server/http/sse.h"

#include "server/json/json_writer.h"

namespace batucada {

HttpResponse EventStreamHead() {
  HttpResponse head = {.content_type = "text/event-stream; charset=utf-8", .body = ""};
  head.headers.reserve(2);
  head.headers.emplace_back("cache-control", "no-cache");
  head.headers.emplace_back("x-accel-buffering", "no");
  return head;
}

void BeginEvent(std::string* out) { *out += "data: "; }
void BeginEvent(std::string* out, std::string_view type) {
  out->append("event: ").append(type).append("\n");
  BeginEvent(out);
}
void EndEvent(std::string* out) { *out += "\n\n"; }

void AppendEvent(std::string_view json, std::string* out) {
  BeginEvent(out);
  JsonWriter(out).Raw(json);
  EndEvent(out);
}

void AppendComment(std::string_view text, std::string* out) {
  *out += ": ";
  *out += text;
  *out += "\n\n";
}

void AppendDone(std::string* out) { AppendEvent("[DONE]", out); }

}  // namespace batucada
