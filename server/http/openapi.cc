#include "server/http/openapi.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <boost/json/serialize.hpp>

#include "absl/strings/ascii.h"
#include "server/common/version.h"
#include "server/json/json_schema.h"

namespace batucada {
namespace {

namespace bj = boost::json;

bj::string Text(std::string_view text) { return bj::string(text.data(), text.size()); }

bj::object Content(std::string_view type, bj::object schema) {
  bj::object media, content;
  media["schema"] = std::move(schema);
  content[Text(type)] = std::move(media);
  return content;
}

bj::object JsonAnswer(std::string_view description, std::string_view schema) {
  return {{"description", Text(description)}, {"content", Content("application/json", SchemaReference(schema))}};
}

bj::object HeaderParameter(const char* name, const char* description) {
  return {{"name", name},
          {"in", "header"},
          {"required", false},
          {"description", description},
          {"schema", {{"type", "string"}}}};
}

// What wildcards stand for, in their order.
struct Wildcards {
  std::string_view prefix;  // of the path
  std::array<const char*, 2> names;
};
constexpr Wildcards kWildcards[] = {{"/v1/responses", {"response_id", ""}},
                                    {"/v1/conversations", {"conversation_id", "item_id"}},
                                    {"/v1/sessions", {"session_id", ""}},
                                    {"/slots", {"id", ""}},
                                    {"", {"model", "version"}}};

const char* WildcardName(const Route& route, size_t wildcard) {
  const auto* const found = std::find_if(std::begin(kWildcards), std::end(kWildcards),
                                         [&](const Wildcards& one) { return route.path.starts_with(one.prefix); });
  return found->names.at(wildcard);
}

// "/v1/models/*" is "/v1/models/{model}" there.
std::string TemplatedPath(const Route& route, std::string_view open, std::string_view close) {
  std::string path;
  size_t wildcard = 0;
  for (const char c : route.path) {
    if (c == '*') {
      path.append(open).append(WildcardName(route, wildcard++)).append(close);
    } else {
      path += c;
    }
  }
  return path;
}

// "post_v1_chat_completions"
std::string OperationId(const Route& route) {
  std::string id = absl::AsciiStrToLower(route.method) + TemplatedPath(route, "", "");
  for (char& c : id) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return id;
}

std::string_view ErrorSchemaName(ErrorForm form) {
  switch (form) {
    case ErrorForm::kOpenAi: return "Error";
    case ErrorForm::kOpenInference: return "InferError";
    case ErrorForm::kTgi: return "TgiError";
    case ErrorForm::kAnthropic: return "AnthropicError";
  }
  return "";
}

}  // namespace

bj::object MakeOperation(const OperationSpec& spec) {
  bj::object operation = {{"summary", Text(spec.summary)}};
  operation["parameters"] = {
      HeaderParameter("x-request-id",
                      "Up to 128 printable characters; comes back, and is in the log. Default: random."),
      HeaderParameter("traceparent", "W3C Trace Context; its trace id is in the log.")};
  if (spec.pages) {
    const auto parameter = [&](const char* name, const char* description, bj::object schema) {
      operation["parameters"].get_array().push_back({{"name", name},
                                                     {"in", "query"},
                                                     {"required", false},
                                                     {"description", description},
                                                     {"schema", std::move(schema)}});
    };
    parameter("limit", "So many at most.", {{"type", "integer"}, {"minimum", 1}, {"maximum", 100}, {"default", 20}});
    parameter("order", "desc: the latest first.", {{"type", "string"}, {"enum", {"asc", "desc"}}, {"default", "desc"}});
    parameter("after", "Only what comes after the item of this id, in this order.", {{"type", "string"}});
  }
  bj::object answers;
  bj::object ok = {{"description", "Done."}};
  if (!spec.answer.empty()) {
    ok["content"] = Content(spec.answer_type, SchemaReference(spec.answer));
    if (spec.streams == OperationSpec::Streams::kIfAsked) {
      ok["content"].get_object()[Text(spec.stream_type)] = {
          {"schema", {{"description", "With \"stream\": true: piece by piece, or an error."}}}};
    }
  }
  answers["200"] = std::move(ok);
  const auto add_error = [&](const char* status, std::string_view description) {
    answers[status] = JsonAnswer(description, ErrorSchemaName(spec.error_form));
  };
  add_error("400", "Not a valid request; the message names the parameter, its value and the limit.");
  if (spec.error_form == ErrorForm::kTgi) {
    add_error("422", "Not a valid request; the message names the parameter, its value and the limit.");
  }
  add_error("401", "An API key is missing or wrong.");
  add_error("404", "There is no such model, record or path.");
  add_error("408", "The request came too slowly.");
  add_error("413", "The body is too large.");
  add_error("415", "The body's coding or type is not taken.");
  add_error("431", "The headers are too large.");
  add_error("500", "The server failed.");
  add_error("503", "Starting, shutting down, failed, or too many connections; Retry-After says when to ask again.");
  if (!spec.unavailable.empty()) answers["503"] = JsonAnswer("It is not.", spec.unavailable);
  if (!spec.request.empty()) {
    operation["requestBody"] = {{"required", !spec.request_optional},
                                {"content", Content("application/json", SchemaReference(spec.request))}};
    add_error("409", "Cancelled by a gRPC call of Abort that named the request's x-request-id.");
    add_error("504", "The deadline passed.");
  }
  if (spec.waits || !spec.request.empty()) {
    add_error("429", "Too much waits already; Retry-After says when to ask again.");
  }
  operation["responses"] = std::move(answers);
  return operation;
}

std::string OpenApiDocument(const Router& router, bj::object schemas, const bj::object& more) {
  for (const auto& [name, schema] : more) schemas[name] = schema;
  bj::object paths;
  for (const Route& route : router.routes()) {
    bj::object operation = route.operation;
    operation["operationId"] = Text(OperationId(route));
    const bool open = route.access == Access::kOpen || route.access == Access::kHealth;
    if (open) operation["security"] = bj::array();
    for (auto i = std::count(route.path.begin(), route.path.end(), '*'); i-- > 0;) {
      bj::array& parameters = operation["parameters"].get_array();
      parameters.insert(parameters.begin(), bj::object{{"name", WildcardName(route, static_cast<size_t>(i))},
                                                       {"in", "path"},
                                                       {"required", true},
                                                       {"schema", {{"type", "string"}}}});
    }
    const std::string path = TemplatedPath(route, "{", "}");
    if (!paths.contains(path)) paths[path] = bj::object();
    paths[path].get_object()[absl::AsciiStrToLower(route.method)] = std::move(operation);
  }
  const bj::object document = {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Batucada"},
        {"version", kVersion},
        {"description", "Serves Samba-family language models: OpenAI's API, with extensions that vLLM's users know."}}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", std::move(schemas)}, {"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}}}}}}},
      // Keys are needed only where the operator has set some.
      {"security", {bj::object{{"key", bj::array()}}, bj::object()}}};
  return bj::serialize(document);
}

}  // namespace batucada
