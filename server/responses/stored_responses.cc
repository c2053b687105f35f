#include "server/responses/stored_responses.h"

#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/http/query.h"
#include "server/responses/page_query.h"
#include "server/responses/response_object.h"
#include "server/responses/stored_answer.h"

namespace batucada {
namespace {

constexpr std::string_view kResponseNoun = "Response";

std::string ListOf(const std::vector<StoredItem>& items) {
  std::string list;
  JsonWriter json(&list);
  json.BeginArray();
  for (const StoredItem& item : items) json.Raw(item.json);
  json.EndArray();
  return list;
}

absl::StatusOr<std::string> ReadResponseJson(Service& service, const Client& client, const std::string& id) {
  absl::StatusOr<ReadResponse> response = service.store->GetResponse(client.key, id);
  if (!response.ok()) return response.status();
  std::string json = WithOutput(std::move(response->json), ListOf(response->output));
  if (response->state != ResponseState::kRunning) return json;
  return WithStatus(json, ResponseStatus::kFailed, "the server ended before the response was made");
}

// What OpenAI's clients may ask of it: nothing that there would be more of.
absl::Status CheckQuery(std::string_view query, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(const StringMap<std::string> read,
                            ReadItemQuery(query, {"stream", "starting_after", "include_obfuscation"}, unknown));
  for (const char* name : {"stream", "include_obfuscation"}) {
    const auto flag = read.find(name);
    if (flag == read.end() || flag->second == "true" || flag->second == "false") continue;
    return InvalidParameter(name, fmt::format("{} is '{}': it must be true or false", name, Printable(flag->second)));
  }
  if (const auto stream = read.find("stream"); stream != read.end() && stream->second == "true") {
    return InvalidParameter("stream", "stream is true: a response is streamed to whoever creates it alone",
                            "unsupported_parameter");
  }
  return absl::OkStatus();
}

}  // namespace

Answer HandleGetResponse(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  if (const absl::Status sound = CheckQuery(request.query, &unknown); !sound.ok()) return ErrorResponse(sound);
  if (auto running = service.responses.Find(id, request.client)) {
    return StoredJson(service, std::move(running->json), IgnoredHeader(unknown));
  }
  absl::StatusOr<std::string> json = ReadResponseJson(service, request.client, id);
  if (!json.ok()) return StoreError(json.status(), kResponseNoun, id);
  return StoredJson(service, *std::move(json), IgnoredHeader(unknown));
}

Answer HandleDeleteResponse(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  if (service.responses.Find(id, request.client)) {
    return ErrorResponse(InvalidParameter("", "the response is being made: cancel it first", "response_in_progress"));
  }
  const absl::Status deleted = service.store->DeleteResponse(request.client.key, id);
  if (!deleted.ok()) return StoreError(deleted, kResponseNoun, id);
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("id").String(id).Key("object").String("response").Key("deleted").Bool(true).EndObject();
  return response;
}

Answer HandleCancelResponse(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  if (const auto running = service.responses.Find(id, request.client)) {
    for (const SequenceId sequence : running->sequences) service.engine.Cancel(sequence);
    return StoredJson(service, WithStatus(running->json, ResponseStatus::kCancelled, ""));
  }
  absl::StatusOr<std::string> json = ReadResponseJson(service, request.client, id);
  if (!json.ok()) return StoreError(json.status(), kResponseNoun, id);
  if (!CanBeCancelled(*json)) {
    return ErrorResponse(
        InvalidParameter("", "Cannot cancel a synchronous response: it was not made in the background."));
  }
  return StoredJson(service, *std::move(json));
}

Answer HandleInputItems(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  const absl::StatusOr<PageRequest> asked = ReadPageQuery(request.query, &unknown);
  if (!asked.ok()) return ErrorResponse(asked.status());
  const absl::StatusOr<ItemPage> page = service.store->InputItems(request.client.key, id, *asked);
  if (!page.ok()) return StoreError(page.status(), kResponseNoun, id, "after");
  return StoredJson(service, PageJson(*page), IgnoredHeader(unknown));
}

}  // namespace batucada
