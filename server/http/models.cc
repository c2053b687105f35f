#include "server/http/models.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/model/json.h"
#include "server/error.h"
#include "server/json_writer.h"

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
    const auto& names = service.model_names;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return ErrorResponse(
          WithParameter(absl::NotFoundError(fmt::format("the model '{}' does not exist", Printable(name))), "model",
                        "model_not_found"));
    }
    WriteModel(service, name, json);
    return JsonResponse(std::move(body));
  }
  json.BeginObject().Key("object").String("list").Key("data").BeginArray();
  for (const std::string& name : service.model_names) WriteModel(service, name, json);
  json.EndArray().EndObject();
  return JsonResponse(std::move(body));
}

}  // namespace batucada
