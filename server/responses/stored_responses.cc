#include "server/responses/stored_responses.h"

#include <utility>

#include "server/common/error.h"
#include "server/responses/page_query.h"
#include "server/responses/response_object.h"
#include "server/responses/stored_answer.h"

namespace batucada {
namespace {

constexpr std::string_view kNoun = "Response";

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

bool AsksForStream(std::string_view query) {
  constexpr std::string_view kAsked = "stream=true";
  return query.starts_with(kAsked) || query.find("&" + std::string(kAsked)) != std::string_view::npos;
}

}  // namespace

Answer HandleGetResponse(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  if (AsksForStream(request.query)) {
    return ErrorResponse(InvalidParameter(
        "stream", "stream is true: a response is streamed to whoever creates it alone", "unsupported_parameter"));
  }
  if (auto running = service.responses.Find(id, request.client)) return StoredJson(service, std::move(running->json));
  absl::StatusOr<std::string> json = ReadResponseJson(service, request.client, id);
  if (!json.ok()) return StoreError(json.status(), kNoun, id);
  return StoredJson(service, *std::move(json));
}

Answer HandleDeleteResponse(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  if (service.responses.Find(id, request.client)) {
    return ErrorResponse(InvalidParameter("", "the response is being made: cancel it first", "response_in_progress"));
  }
  const absl::Status deleted = service.store->DeleteResponse(request.client.key, id);
  if (!deleted.ok()) return StoreError(deleted, kNoun, id);
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
  if (!json.ok()) return StoreError(json.status(), kNoun, id);
  return StoredJson(service, *std::move(json));
}

Answer HandleInputItems(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  const absl::StatusOr<PageRequest> asked = ReadPageQuery(request.query);
  if (!asked.ok()) return ErrorResponse(asked.status());
  const absl::StatusOr<ItemPage> page = service.store->InputItems(request.client.key, id, *asked);
  if (!page.ok()) return StoreError(page.status(), kNoun, id, "after");
  return StoredJson(service, PageJson(*page));
}

}  // namespace batucada
