#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "engine/model/model_config.h"
#include "server/common/error.h"
#include "server/common/version.h"
#include "server/compat/ollama.h"
#include "server/config/served_names.h"
#include "server/json/json_writer.h"
#include "server/json/parameter_table.h"
#include "server/openai/tokenizer_info.h"

namespace batucada {
namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;

constexpr std::string_view kFamily = "samba";
// The Ollama whose API this is: clients ask for it before they use what came with it.
constexpr std::string_view kApiLevel = "0.6.4";

int64_t BytesOf(const std::string& model_dir) {
  int64_t bytes = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(model_dir, error)) {
    const uintmax_t size = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

// "18.3M"
std::string Short(int64_t parameters) {
  const auto count = static_cast<double>(parameters);
  return count >= 1e9 ? fmt::format("{:.1f}B", count / 1e9) : fmt::format("{:.1f}M", count / 1e6);
}

void WriteDetails(const Service& service, JsonWriter& json) {
  json.Key("details").BeginObject().Key("parent_model").String("").Key("format").String("safetensors");
  json.Key("family").String(kFamily).Key("families").BeginArray().String(kFamily).EndArray();
  json.Key("parameter_size").String(Short(ParameterCount(service.engine.model())));
  json.Key("quantization_level").String("").EndObject();
}

std::string Modified(const Service& service) {
  return absl::FormatTime(absl::RFC3339_full, service.started, absl::UTCTimeZone());
}

enum class List : uint8_t { kAll, kLoaded };

// The served model is all there is, and always loaded.
Answer ListModels(Service& service, List list) {
  HttpResponse response;
  JsonWriter json(&response.body);
  const int64_t bytes = BytesOf(service.config.engine.model_dir);
  json.BeginObject().Key("models").BeginArray();
  for (const std::string& name : service.model_names) {
    if (IsPattern(name)) continue;
    json.BeginObject().Key("name").String(name).Key("model").String(name).Key("modified_at").String(Modified(service));
    json.Key("size").Int(bytes).Key("digest").String(absl::StripPrefix(service.fingerprint, "fp_").data());
    WriteDetails(service, json);
    if (list == List::kLoaded) {
      json.Key("expires_at").String("9999-12-31T23:59:59Z").Key("size_vram").Int(bytes);
      json.Key("context_length").Int(service.engine.config().max_total_tokens);
    }
    json.EndObject();
  }
  json.EndArray().EndObject();
  return response;
}
Answer HandleTags(Service& service, const HttpRequest&) { return ListModels(service, List::kAll); }
Answer HandlePs(Service& service, const HttpRequest&) { return ListModels(service, List::kLoaded); }

struct ShowParams {
  std::string model, name;
  bool verbose = false;
};

const ParameterTable<ShowParams>& ShowRequest() {
  static const ParameterTable<ShowParams> table = [] {
    ParameterTable<ShowParams> made;
    made.Add("model", StringSchema("A served name. Default: the first."), &ShowParams::model);
    made.Add("name", StringSchema("The older name of model."), &ShowParams::name);
    made.Add("verbose", BooleanSchema("No effect.", false), &ShowParams::verbose);
    return made;
  }();
  return table;
}

absl::StatusOr<std::string> Show(const Service& service, std::string_view body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(const ShowParams params, ShowRequest().Parse(body, unknown));
  const std::string& named = params.model.empty() ? params.name : params.model;
  BATUCADA_RETURN_IF_ERROR(ResolveModel(WithoutLatest(named, service), service.model_names).status());
  const ModelConfig& model = service.engine.model();
  const bj::value info = bj::parse(TokenizerInfo(service));
  const bj::value& chat_template = info.at("chat_template");
  std::string answer;
  JsonWriter json(&answer);
  json.BeginObject().Key("modelfile").String("").Key("parameters").String("").Key("license").String("");
  json.Key("template").String(chat_template.is_string() ? chat_template.get_string().c_str() : "");
  WriteDetails(service, json);
  json.Key("model_info").BeginObject().Key("general.architecture").String(kFamily);
  json.Key("general.parameter_count").Int(ParameterCount(model));
  json.Key("samba.context_length").Int(service.engine.config().max_total_tokens);
  json.Key("samba.block_count").Int(model.num_layers()).EndObject();
  json.Key("capabilities").BeginArray().String("completion");
  if (const ChatTemplate* known = service.chat_template.get()) {
    const CallFormat calls = service.config.tool_call_parser;
    const ThinkingFormat thinking = service.config.reasoning_parser;
    if ((calls == CallFormat::kAuto ? known->call_format() : calls) != CallFormat::kNone) json.String("tools");
    if ((thinking == ThinkingFormat::kAuto ? known->thinking_format() : thinking) != ThinkingFormat::kNone) {
      json.String("thinking");
    }
  }
  json.EndArray();
  json.Key("modified_at").String(Modified(service)).EndObject();
  return answer;
}

Answer HandleShow(Service& service, const HttpRequest& request) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<std::string> answer = Show(service, request.body, &unknown);
  if (!answer.ok()) return ErrorResponse(answer.status(), ErrorForm::kOpenInference);
  return JsonResponse(*std::move(answer));
}

Answer HandleVersion(Service&, const HttpRequest&) {
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("version").String(kApiLevel).Key("batucada").String(kVersion).EndObject();
  return response;
}

}  // namespace

std::string WithoutLatest(const std::string& name, const Service& service) {
  constexpr std::string_view kLatest = ":latest";
  if (!name.ends_with(kLatest) || ResolveModel(name, service.model_names).ok()) return name;
  return name.substr(0, name.size() - kLatest.size());
}

void AddOllamaModels(RouteList& list) {
  const UnknownMembers::Policy unknown = list.service().config.unknown_members();
  list.AddSchema("OllamaShowRequest", ShowRequest().Schema(unknown));
  bj::object model =
      ObjectSchema("", {{"name", StringSchema("")}, {"model", StringSchema("")}, {"size", IntegerSchema("")}});
  model["required"] = bj::array{"name", "model", "size", "digest", "details"};
  bj::object tags = ObjectSchema("", {{"models", ArraySchema("", std::move(model))}});
  tags["required"] = bj::array{"models"};
  list.AddSchema("OllamaTags", std::move(tags));
  bj::object shown = ObjectSchema("", {{"template", StringSchema("")}});
  shown["required"] = bj::array{"details", "model_info", "capabilities"};
  list.AddSchema("OllamaModel", std::move(shown));
  list.Get(
      "/api/tags", "ollama.tags", HandleTags,
      {.summary = "The models, as Ollama lists them", .answer = "OllamaTags", .error_form = ErrorForm::kOpenInference});
  list.Get("/api/ps", "ollama.ps", HandlePs,
           {.summary = "The loaded models, as Ollama lists them",
            .answer = "OllamaTags",
            .error_form = ErrorForm::kOpenInference});
  list.Post("/api/show", "ollama.show", HandleShow,
            {.summary = "A model, as Ollama tells of it",
             .request = "OllamaShowRequest",
             .answer = "OllamaModel",
             .error_form = ErrorForm::kOpenInference});
  list.Get("/api/version", "ollama.version", HandleVersion,
           {.summary = "The version of Ollama whose API this is, and the server's own",
            .answer = "Version",
            .error_form = ErrorForm::kOpenInference});
}

}  // namespace batucada
