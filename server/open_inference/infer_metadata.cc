#include "server/open_inference/infer_metadata.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/status.h"
#include "server/common/version.h"
#include "server/config/served_names.h"
#include "server/json/json_writer.h"
#include "server/open_inference/infer.h"
#include "server/open_inference/infer_request.h"

namespace batucada {
namespace {

absl::Status FindModel(const Service& service, const HttpRequest& request) {
  BATUCADA_RETURN_IF_ERROR(ResolveModel(request.captures.front(), service.model_names).status());
  return CheckInferVersion(request.captures.size() > 1 ? request.captures[1] : "");
}

// What Triton has at and behind a model's path and this server has not. Names may hold slashes, so that such a path
// looks like the name or version of a model.
absl::Status CheckOffered(const HttpRequest& request) {
  for (const std::string_view part : {"/config", "/stats", "/trace/setting"}) {
    if (!request.path.ends_with(part)) continue;
    return absl::NotFoundError(fmt::format(
        "{} is not offered by this server: /metrics, /load and the model's metadata are", Printable(request.path)));
  }
  return absl::OkStatus();
}

// Clients read the status alone.
HttpResponse State(bool good, std::string_view name) {
  HttpResponse response = {.status = good ? 200 : 503};
  if (!good) AddRetryAfter(&response);
  JsonWriter(&response.body).BeginObject().Key(name).Bool(good).EndObject();
  return response;
}

void WriteTensors(std::string_view name, std::span<const InferTensorMetadata> tensors, JsonWriter& json) {
  json.Key(name).BeginArray();
  for (const InferTensorMetadata& tensor : tensors) {
    json.BeginObject().Key("name").String(tensor.name).Key("datatype").String(tensor.datatype);
    json.Key("shape").BeginArray().Int(tensor.length).EndArray().EndObject();
  }
  json.EndArray();
}

}  // namespace

Answer HandleInferServer(Service&, const HttpRequest&) {
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("name").String("batucada").Key("version").String(kVersion);
  json.Key("extensions").BeginArray().String("binary_tensor_data").String("generate").String("model_repository");
  json.EndArray().EndObject();
  return response;
}

Answer HandleInferLive(Service& service, const HttpRequest&) { return State(service.engine.Health().alive, "live"); }
Answer HandleInferReady(Service& service, const HttpRequest&) { return State(service.Ready(), "ready"); }

Answer HandleInferModel(Service& service, const HttpRequest& request) {
  if (const absl::Status found = FindModel(service, request); !found.ok()) {
    const absl::Status offered = CheckOffered(request);
    return InferError(offered.ok() ? found : offered);
  }
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("name").String(request.captures.front());
  json.Key("versions").BeginArray().String(kInferModelVersion).EndArray().Key("platform").String("batucada");
  WriteTensors("inputs", kInferInputs, json);
  WriteTensors("outputs", kInferOutputs, json);
  json.EndObject();
  return response;
}

Answer HandleInferModelReady(Service& service, const HttpRequest& request) {
  if (const absl::Status found = FindModel(service, request); !found.ok()) return InferError(found);
  return State(service.Ready(), "ready");
}

const ParameterTable<RepositoryIndexParams>& RepositoryIndexParameters() {
  static const ParameterTable<RepositoryIndexParams> table = [] {
    ParameterTable<RepositoryIndexParams> made;
    made.Add("ready", BooleanSchema("Only models that are ready.", false), &RepositoryIndexParams::ready);
    return made;
  }();
  return table;
}

Answer HandleRepositoryIndex(Service& service, const HttpRequest& request) {
  absl::StatusOr<RepositoryIndexParams> params = RepositoryIndexParams();
  if (!request.body.empty()) params = RepositoryIndexParameters().Parse(request.body);
  if (!params.ok()) return InferError(params.status());
  HttpResponse response;
  JsonWriter json(&response.body);
  const bool ready = service.Ready();
  const std::string_view state = ready ? "READY" : "UNAVAILABLE";
  json.BeginArray();
  for (const std::string& name : service.model_names) {
    if (IsPattern(name) || (params->ready && !ready)) continue;
    json.BeginObject().Key("name").String(name).Key("version").String(kInferModelVersion);
    json.Key("state").String(state).Key("reason").String("").EndObject();
  }
  json.EndArray();
  return response;
}

}  // namespace batucada
