#include "server/telemetry/span.h"

#include <fmt/format.h>

#include "server/common/version.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

// Numbers of 64 bits are strings in protobuf's JSON.
void WriteTime(std::string_view key, absl::Time time, JsonWriter& json) {
  json.Key(key).String(std::to_string(absl::ToUnixNanos(time)));
}

struct WriteValue {
  JsonWriter& json;
  void operator()(const std::string& text) const { json.BeginObject().Key("stringValue").String(text).EndObject(); }
  void operator()(int64_t number) const {
    json.BeginObject().Key("intValue").String(std::to_string(number)).EndObject();
  }
  void operator()(double number) const {
    json.BeginObject().Key("doubleValue").Raw(fmt::format("{}", number)).EndObject();
  }
  void operator()(const std::vector<std::string>& texts) const {
    json.BeginObject().Key("arrayValue").BeginObject().Key("values").BeginArray();
    for (const std::string& text : texts) (*this)(text);
    json.EndArray().EndObject().EndObject();
  }
};

void WriteAttributes(const SpanAttributes& attributes, JsonWriter& json) {
  json.Key("attributes").BeginArray();
  for (const auto& [key, value] : attributes) {
    json.BeginObject().Key("key").String(key).Key("value");
    std::visit(WriteValue{json}, value);
    json.EndObject();
  }
  json.EndArray();
}

void WriteSpan(const Span& span, JsonWriter& json) {
  constexpr int kServer = 2, kError = 2;
  json.BeginObject().Key("traceId").String(span.trace_id).Key("spanId").String(span.span_id);
  if (!span.parent_id.empty()) json.Key("parentSpanId").String(span.parent_id);
  json.Key("name").String(span.name).Key("kind").Int(kServer);
  WriteTime("startTimeUnixNano", span.start, json);
  WriteTime("endTimeUnixNano", span.end, json);
  WriteAttributes(span.attributes, json);
  json.Key("events").BeginArray();
  for (const SpanEvent& event : span.events) {
    json.BeginObject().Key("name").String(event.name);
    WriteTime("timeUnixNano", event.time, json);
    json.EndObject();
  }
  json.EndArray().Key("status").BeginObject();
  if (!span.error.empty()) json.Key("code").Int(kError).Key("message").String(span.error);
  json.EndObject().EndObject();
}

}  // namespace

std::string ExportRequest(std::span<const Span> spans, const SpanAttributes& resource) {
  std::string body;
  JsonWriter json(&body);
  json.BeginObject().Key("resourceSpans").BeginArray().BeginObject();
  json.Key("resource").BeginObject();
  WriteAttributes(resource, json);
  json.EndObject();
  json.Key("scopeSpans").BeginArray().BeginObject();
  json.Key("scope").BeginObject().Key("name").String("batucada").Key("version").String(kVersion).EndObject();
  json.Key("spans").BeginArray();
  for (const Span& span : spans) WriteSpan(span, json);
  json.EndArray().EndObject().EndArray().EndObject().EndArray().EndObject();
  return body;
}

}  // namespace batucada
