#include "server/telemetry/request_line.h"

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

void Text(std::string_view key, std::string_view value, JsonWriter& json) {
  if (!value.empty()) json.Key(key).String(value);
}

void Milliseconds(std::string_view key, absl::Duration value, JsonWriter& json) {
  json.Key(key).Raw(fmt::format("{:.3f}", absl::ToDoubleMilliseconds(value)));
}

}  // namespace

std::string RequestLine(const RequestRecord& record, std::string_view trace_id, std::string_view span_id) {
  std::string line;
  JsonWriter json(&line);
  json.BeginObject();
  json.Key("time").String(absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", record.ended, absl::UTCTimeZone()));
  json.Key("level").String("info").Key("event").String("request");
  json.Key("id").String(record.origin.request_id).Key("api").String(record.origin.api);
  Text("trace", trace_id, json);
  Text("span", span_id, json);
  if (record.asked) json.Key("model").String(record.asked->model);
  json.Key("choices").Int(record.choices).Key("prompt_tokens").Int(record.usage.prompt_tokens);
  json.Key("generated_tokens").Int(record.usage.generated_tokens);
  Milliseconds("queue_ms", record.timings.queue, json);
  Milliseconds("prefill_ms", record.timings.prefill, json);
  Milliseconds("decode_ms", record.timings.decode, json);
  Milliseconds("total_ms", record.ended - record.started, json);
  json.Key("finish").BeginArray();
  for (const std::string_view reason : record.finish_reasons) json.String(reason);
  json.EndArray();
  Text("code", ErrorCode(record.status), json);
  Text("param", ErrorParameter(record.status), json);
  json.EndObject();
  return line;
}

}  // namespace batucada
