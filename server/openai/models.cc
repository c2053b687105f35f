#include "server/openai/models.h"

#include <utility>

#include "server/json/json_writer.h"

namespace batucada {
namespace {

void WriteModel(const Service& service, const std::string& name, JsonWriter& json) {
  json.BeginObject().Key("id").String(name).Key("object").String("model");
  json.Key("created").Int(absl::ToUnixSeconds(service.started)).Key("owned_by").String("batucada");
  json.Key("max_model_len").Int(service.engine.config().max_total_tokens).EndObject();
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
  for (const std::string& name : service.model_names) {
    if (!IsPattern(name)) WriteModel(service, name, json);
  }
  json.EndArray().EndObject();
  return JsonResponse(std::move(body));
}

}  // namespace batucada
