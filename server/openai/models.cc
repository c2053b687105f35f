#include "server/openai/models.h"

#include <utility>

#include "server/json/json_writer.h"

namespace batucada {
namespace {

void WriteModel(const Service& service, const std::string& name, JsonWriter& json) {
  json.BeginObject().Key("id").String(name).Key("object").String("model");
  json.Key("created").Int(absl::ToUnixSeconds(service.started)).Key("owned_by").String("batucada");
  json.Key("max_model_len").Int(service.engine.config().max_total_tokens);
  // As Anthropic's clients know models.
  json.Key("type").String("model").Key("display_name").String(name).Key("created_at");
  json.String(absl::FormatTime(absl::RFC3339_sec, service.started, absl::UTCTimeZone())).EndObject();
}

}  // namespace

Answer HandleModels(Service& service, const HttpRequest& request) {
  std::string body;
  JsonWriter json(&body);
  if (!request.captures.empty()) {
    const std::string& name = request.captures.front();
    const absl::StatusOr<std::string> model = ResolveModel(name, service.model_names);
    if (!model.ok()) return ErrorResponse(model.status());
    WriteModel(service, *model, json);
    return JsonResponse(std::move(body));
  }
  json.BeginObject().Key("object").String("list").Key("data").BeginArray();
  const std::string* first = nullptr;
  const std::string* last = nullptr;
  for (const std::string& name : service.model_names) {
    if (IsPattern(name)) continue;
    WriteModel(service, name, json);
    if (first == nullptr) first = &name;
    last = &name;
  }
  json.EndArray().Key("has_more").Bool(false);
  for (const auto& [key, name] : {std::pair("first_id", first), std::pair("last_id", last)}) {
    json.Key(key);
    name != nullptr ? json.String(*name) : json.Null();
  }
  json.EndObject();
  return JsonResponse(std::move(body));
}

}  // namespace batucada
