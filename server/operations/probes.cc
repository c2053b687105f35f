#include "server/operations/probes.h"

#include "server/common/version.h"
#include "server/json/json_writer.h"
#include "server/operations/status.h"

namespace batucada {
namespace {

constexpr std::string_view kApi = "probe";

// SGLang's. The name that is served stands for the path: where files lie is nobody's business.
Answer HandleModelInfo(Service& service, const HttpRequest&) {
  HttpResponse response;
  JsonWriter json(&response.body);
  const std::string& name = service.model_names.front();
  json.BeginObject().Key("model_path").String(name).Key("tokenizer_path").String(name);
  json.Key("served_model_name").String(name).Key("is_generation").Bool(true);
  json.Key("preferred_sampling_params").Null().Key("weight_version").String(service.fingerprint);
  json.Key("has_image_understanding").Bool(false).Key("has_audio_understanding").Bool(false);
  json.Key("vocab_size").Int(service.engine.model().vocab_size);
  json.Key("max_context_length").Int(service.engine.config().max_total_tokens).EndObject();
  return response;
}

Answer HandleServerInfo(Service& service, const HttpRequest&) {
  HttpResponse response;
  JsonWriter json(&response.body);
  const EngineConfig& config = service.engine.config();
  const std::string& name = service.model_names.front();
  json.BeginObject().Key("version").String(kVersion).Key("model_path").String(name);
  json.Key("served_model_name").String(name).Key("status").String(service.Ready() ? "ready" : "not ready");
  json.Key("backend").String(BackendName(config.backend)).Key("system_fingerprint").String(service.fingerprint);
  json.Key("context_length").Int(config.max_total_tokens).Key("vocab_size").Int(service.engine.model().vocab_size);
  json.Key("max_running_requests").Int(config.max_sequences).Key("max_queued_requests").Int(config.max_waiting);
  json.Key("tp_size").Int(1).Key("dp_size").Int(1).Key("pp_size").Int(1).EndObject();
  return response;
}

void WriteLoad(const EngineStats& stats, JsonWriter& json) {
  json.BeginObject().Key("dp_rank").Int(0).Key("num_reqs").Int(stats.running + stats.waiting);
  json.Key("num_running_reqs").Int(stats.running).Key("num_waiting_reqs").Int(stats.waiting);
  json.Key("num_tokens").Int(stats.blocks_used * stats.block_tokens + stats.waiting_tokens);
  json.Key("max_running_requests").Int(stats.slots_total).EndObject();
}

// SGLang's older list, one element for each of its ranks; this server is one.
Answer HandleGetLoad(Service& service, const HttpRequest&) {
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginArray();
  WriteLoad(service.engine.Stats(), json);
  json.EndArray();
  return response;
}

Answer HandleLoads(Service& service, const HttpRequest&) {
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("version").String(kVersion).Key("dp_rank_count").Int(1).Key("loads").BeginArray();
  WriteLoad(service.engine.Stats(), json);
  json.EndArray().EndObject();
  return response;
}

// No weights are ever put away.
Answer HandleIsSleeping(Service&, const HttpRequest&) {
  HttpResponse response;
  JsonWriter(&response.body).BeginObject().Key("is_sleeping").Bool(false).EndObject();
  return response;
}

}  // namespace

void AddProbes(RouteList& list) {
  const auto health = [&list](const char* method, const char* path) {
    list.Add(method, path, "health", HandleReady,
             {.summary = "Whether new requests are welcome", .answer = "Health", .unavailable = "Health"},
             Access::kHealth);
  };
  health("GET", "/health_generate");
  health("GET", "/ping");
  health("POST", "/ping");
  const std::string name(kApi);
  for (const char* path : {"/model_info", "/get_model_info"}) {
    list.Get(path, name, HandleModelInfo, {.summary = "The model, as SGLang tells of it", .answer = "ModelInfo"});
  }
  for (const char* path : {"/server_info", "/get_server_info"}) {
    list.Get(path, name, HandleServerInfo, {.summary = "The server's bounds", .answer = "ServerInfo"});
  }
  list.Get("/get_load", name, HandleGetLoad,
           {.summary = "How much runs and waits, as SGLang tells it", .answer = "RankLoads"});
  for (const char* path : {"/v1/loads", "/loads"}) {
    list.Get(path, name, HandleLoads, {.summary = "How much runs and waits, as SGLang tells it", .answer = "Loads"});
  }
  list.Get("/is_sleeping", name, HandleIsSleeping, {.summary = "Never", .answer = "Sleeping"});
}

}  // namespace batucada
