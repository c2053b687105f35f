#include "server/responses/conversations.h"

#include <utility>

#include <boost/json/serialize.hpp>

#include "absl/time/clock.h"
#include "server/common/error.h"
#include "server/generate/work_attempt.h"
#include "server/responses/items.h"
#include "server/responses/metadata.h"
#include "server/responses/page_query.h"
#include "server/responses/stored_answer.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using ConversationTable = ParameterTable<ConversationParams>;
using Presence = ConversationTable::Presence;

constexpr int64_t kWriteBytes = 512;  // what writing an item costs, as if it were reading so many bytes more
constexpr std::string_view kConversationNoun = "Conversation", kItemNoun = "Item";

void AddItems(ConversationTable& table, Presence presence) {
  const auto read = [presence](RequestReader& reader, ConversationParams& params) {
    const bj::value* items = reader.Take("items");
    if (items != nullptr && items->is_string()) return reader.Fail("items", "must be a list of items, not a string");
    params.items = ReadItems(reader, "items");
    if (presence == Presence::kRequired && params.items.empty()) {
      reader.Fail("items", "is missing, or empty: give at least one item", "missing_parameter");
    }
    for (size_t i = 0; i < params.items.size() && reader.ok(); ++i) {
      if (!params.items[i].json.empty()) continue;
      reader.Fail("items[" + std::to_string(i) + "].type", "is item_reference: a conversation has items of its own",
                  "unsupported_parameter");
    }
  };
  table.AddRead("items", ItemsSchema("What it begins with, or grows by, in order."), read, presence);
}

void AddMetadataMember(ConversationTable& table, Presence presence) {
  const auto read = [presence](RequestReader& reader, ConversationParams& params) {
    if (presence == Presence::kRequired && reader.Take("metadata") == nullptr) {
      reader.Fail("metadata", "is missing: give an object", "missing_parameter");
    }
    params.metadata = ReadMetadata(reader, "metadata");
  };
  table.AddRead("metadata", MetadataSchema(), read, presence);
}

std::string ConversationJson(const StoredConversation& conversation) {
  std::string text;
  JsonWriter json(&text);
  json.BeginObject().Key("id").String(conversation.id).Key("object").String("conversation");
  json.Key("created_at").Int(conversation.created).Key("metadata").Raw(conversation.metadata).EndObject();
  return text;
}

absl::StatusOr<ConversationParams> Read(Service& service, const HttpRequest& request, const ConversationTable& table) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<ConversationParams> params = table.Parse(request.body, &unknown);
  service.metrics.OnIgnoredParameters(unknown.ignored);
  return params;
}

}  // namespace

const ConversationTable& CreateConversationParameters() {
  static const ConversationTable table = [] {
    ConversationTable made;
    AddItems(made, Presence::kOptional);
    AddMetadataMember(made, Presence::kOptional);
    return made;
  }();
  return table;
}

const ConversationTable& UpdateConversationParameters() {
  static const ConversationTable table = [] {
    ConversationTable made;
    AddMetadataMember(made, Presence::kRequired);
    return made;
  }();
  return table;
}

const ConversationTable& CreateItemsParameters() {
  static const ConversationTable table = [] {
    ConversationTable made;
    AddItems(made, Presence::kRequired);
    return made;
  }();
  return table;
}

Answer HandleCreateConversation(Service& service, const HttpRequest& request) {
  const absl::StatusOr<ConversationParams> params = Read(service, request, CreateConversationParameters());
  if (!params.ok()) return ErrorResponse(params.status());
  const StoredConversation conversation = {
      .id = NewId("conv_"), .created = absl::ToUnixSeconds(absl::Now()), .metadata = bj::serialize(params->metadata)};
  const absl::Status created = service.store->CreateConversation(request.client.key, conversation, params->items);
  if (!created.ok()) return StoreError(created, kConversationNoun, conversation.id, "items");
  return JsonResponse(ConversationJson(conversation));
}

Answer HandleGetConversation(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  const absl::StatusOr<StoredConversation> conversation = service.store->GetConversation(request.client.key, id);
  if (!conversation.ok()) return StoreError(conversation.status(), kConversationNoun, id);
  return JsonResponse(ConversationJson(*conversation));
}

Answer HandleUpdateConversation(Service& service, const HttpRequest& request) {
  const absl::StatusOr<ConversationParams> params = Read(service, request, UpdateConversationParameters());
  if (!params.ok()) return ErrorResponse(params.status());
  const std::string& id = request.captures.front();
  const absl::Status updated =
      service.store->UpdateConversation(request.client.key, id, bj::serialize(params->metadata));
  if (!updated.ok()) return StoreError(updated, kConversationNoun, id);
  return HandleGetConversation(service, request);
}

Answer HandleDeleteConversation(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  const absl::Status deleted = service.store->DeleteConversation(request.client.key, id);
  if (!deleted.ok()) return StoreError(deleted, kConversationNoun, id);
  // With what was computed of it, if that is kept.
  service.engine.sessions().Erase(request.client.key, id).IgnoreError();
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("id").String(id).Key("object").String("conversation.deleted");
  json.Key("deleted").Bool(true).EndObject();
  return response;
}

Answer HandleListItems(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  const absl::StatusOr<PageRequest> asked = ReadPageQuery(request.query, &unknown);
  if (!asked.ok()) return ErrorResponse(asked.status());
  const absl::StatusOr<ItemPage> page = service.store->ConversationItems(request.client.key, id, *asked);
  if (!page.ok()) return StoreError(page.status(), kConversationNoun, id, "after");
  return StoredJson(service, PageJson(*page), IgnoredHeader(unknown));
}

Answer HandleCreateItems(Service& service, const HttpRequest& request) {
  absl::StatusOr<ConversationParams> params = Read(service, request, CreateItemsParameters());
  if (!params.ok()) return ErrorResponse(params.status());
  const std::string& id = request.captures.front();
  const absl::Status appended = service.store->AppendItems(request.client.key, id, params->items);
  if (!appended.ok()) return StoreError(appended, kConversationNoun, id, "items");
  return StoredJson(service, PageJson({.items = std::move(params->items)}));
}

Answer HandleGetItem(Service& service, const HttpRequest& request) {
  const std::string &id = request.captures[0], &item = request.captures[1];
  absl::StatusOr<StoredItem> found = service.store->ConversationItem(request.client.key, id, item);
  if (!found.ok()) return StoreError(found.status(), kItemNoun, item);
  return StoredJson(service, std::move(found->json));
}

Answer HandleDeleteItem(Service& service, const HttpRequest& request) {
  const std::string &id = request.captures[0], &item = request.captures[1];
  // What is written again is worked off like a text of that length, and keeps no small work waiting.
  const absl::StatusOr<History> behind = service.store->BehindItem(request.client.key, id, item);
  if (behind.ok() && WorkAttempt::Defer(behind->bytes + kWriteBytes * behind->count)) return HttpResponse{};
  const absl::Status deleted = service.store->DeleteConversationItem(request.client.key, id, item);
  if (!deleted.ok()) return StoreError(deleted, kItemNoun, item);
  return HandleGetConversation(service, request);
}

}  // namespace batucada
