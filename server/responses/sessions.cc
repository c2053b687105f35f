#include "server/responses/sessions.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/json/json_writer.h"
#include "server/responses/page_query.h"
#include "server/responses/stored_answer.h"

namespace batucada {
namespace {

// Answers may grow members.
constexpr char kSessionAnswers[] = R"json({
"Session": {"type": "object", "required": ["id", "object", "tokens", "tier", "last_used_at", "stored"], "properties": {
  "id": {"type": "string", "description": "A session_id, a prompt_cache_key, or a conversation."},
  "object": {"const": "session"},
  "tokens": {"type": ["integer", "null"], "description": "Of its text, that its newest state stands for."},
  "tier": {"type": ["string", "null"], "enum": ["device", "host", "disk", null],
    "description": "Where that state lies; null: it is computed again when it is wanted."},
  "last_used_at": {"type": ["integer", "null"], "description": "Seconds since 1970; null: not since the server's start."},
  "stored": {"type": "boolean", "description": "It is a conversation, whose items are in the store."},
  "metadata": {"type": "object", "additionalProperties": {"type": "string"}, "description": "A conversation's."}}},
"SessionList": {"type": "object", "required": ["object", "data", "first_id", "last_id", "has_more"], "properties": {
  "object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Session"}},
  "first_id": {"type": ["string", "null"]}, "last_id": {"type": ["string", "null"]},
  "has_more": {"type": "boolean"}}},
"SessionDeleted": {"type": "object", "required": ["id", "object", "deleted"], "properties": {"id": {"type": "string"},
  "object": {"const": "session.deleted"}, "deleted": {"const": true}}}
})json";

constexpr int64_t kMostConversations = 4096;  // of the latest

struct Entry {
  std::string id;
  std::optional<int64_t> tokens;
  StateTier tier = StateTier::kNone;
  std::optional<int64_t> used;  // seconds since 1970
  bool stored = false;
  std::string metadata;  // JSON of a stored one's; empty: not told
};

Entry EntryOf(const SessionInfo& info, absl::Time now) {
  Entry entry = {.id = info.name, .tokens = info.tokens, .tier = info.tier};
  if (info.idle < absl::InfiniteDuration()) entry.used = absl::ToUnixSeconds(now - info.idle);
  return entry;
}

// A use of a conversation's items is one of the session, too.
void AddStored(int64_t used, Entry* entry) {
  entry->stored = true;
  entry->used = std::max(entry->used.value_or(0), used);
}

// Those used last first.
absl::StatusOr<std::vector<Entry>> EntriesOf(Service& service, uint64_t owner) {
  const absl::Time now = absl::Now();
  std::vector<Entry> entries;
  absl::flat_hash_map<std::string, size_t> places;
  for (const SessionInfo& info : service.engine.sessions().List(owner)) {
    places.emplace(info.name, entries.size());
    entries.push_back(EntryOf(info, now));
  }
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<ConversationUse> conversations,
                            service.store->ListConversations(owner, kMostConversations));
  for (const ConversationUse& one : conversations) {
    const auto place = places.find(one.id);
    if (place == places.end()) entries.push_back({.id = one.id});
    AddStored(one.used, place == places.end() ? &entries.back() : &entries[place->second]);
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.used.value_or(0) > b.used.value_or(0); });
  return entries;
}

void Write(const Entry& entry, JsonWriter& json) {
  constexpr std::string_view kTiers[] = {"device", "host", "disk"};
  json.BeginObject().Key("id").String(entry.id).Key("object").String("session").Key("tokens");
  entry.tokens ? json.Int(*entry.tokens) : json.Null();
  json.Key("tier");
  entry.tier == StateTier::kNone ? json.Null() : json.String(kTiers[static_cast<size_t>(entry.tier)]);
  json.Key("last_used_at");
  entry.used ? json.Int(*entry.used) : json.Null();
  json.Key("stored").Bool(entry.stored);
  if (!entry.metadata.empty()) json.Key("metadata").Raw(entry.metadata);
  json.EndObject();
}

// Of what a page tells: one look into the store each.
void AddSessionMetadata(Store& store, uint64_t owner, Entry* entry) {
  if (!entry->stored) return;
  absl::StatusOr<StoredConversation> conversation = store.GetConversation(owner, entry->id);
  if (conversation.ok()) entry->metadata = std::move(conversation->metadata);  // else deleted meanwhile
}

absl::StatusOr<std::string> ListJson(Service& service, uint64_t owner, std::vector<Entry>& entries,
                                     const PageRequest& page) {
  auto from = entries.begin();
  if (!page.after.empty()) {
    from = std::find_if(entries.begin(), entries.end(), [&page](const Entry& e) { return e.id == page.after; });
    if (from == entries.end()) return InvalidParameter("after", "after is no session of this list: begin again");
    ++from;
  }
  const auto to = from + std::min<std::ptrdiff_t>(page.limit, entries.end() - from);
  std::string text;
  JsonWriter json(&text);
  json.BeginObject().Key("object").String("list").Key("data").BeginArray();
  for (auto it = from; it != to; ++it) {
    AddSessionMetadata(*service.store, owner, &*it);
    Write(*it, json);
  }
  json.EndArray();
  json.Key("first_id");
  from == to ? json.Null() : json.String(from->id);
  json.Key("last_id");
  from == to ? json.Null() : json.String(std::prev(to)->id);
  json.Key("has_more").Bool(to != entries.end()).EndObject();
  return text;
}

absl::Status CheckMayList(const Service& service, const HttpRequest& request) {
  if (service.keys.required() || request.client.loopback) return absl::OkStatus();
  return absl::PermissionDeniedError(
      "sessions are told to whose they are: start the server with --api-key, or ask from the machine itself");
}

Answer HandleList(Service& service, const HttpRequest& request) {
  if (const absl::Status may = CheckMayList(service, request); !may.ok()) return ErrorResponse(may);
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  const absl::StatusOr<PageRequest> page = ReadPageQuery(request.query, &unknown);
  if (!page.ok()) return ErrorResponse(page.status());
  absl::StatusOr<std::vector<Entry>> entries = EntriesOf(service, request.client.key);
  if (!entries.ok()) return ErrorResponse(StoreTrouble());
  if (page->ascending) std::reverse(entries->begin(), entries->end());
  absl::StatusOr<std::string> list = ListJson(service, request.client.key, *entries, *page);
  if (!list.ok()) return ErrorResponse(list.status());
  return StoredJson(service, *std::move(list), IgnoredHeader(unknown));
}

absl::Status NotFound(const std::string& id) {
  return WithParameter(absl::NotFoundError(fmt::format("Session with id '{}' not found.", Printable(id))), "",
                       "session_not_found");
}

Answer HandleGet(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  const uint64_t owner = request.client.key;
  const absl::StatusOr<SessionInfo> info = service.engine.sessions().Find(owner, id);
  const absl::StatusOr<StoredConversation> conversation = service.store->GetConversation(owner, id);
  // What a store that fails has, nobody knows.
  if (!conversation.ok() && !absl::IsNotFound(conversation.status())) return ErrorResponse(StoreTrouble());
  if (!info.ok() && !conversation.ok()) return ErrorResponse(NotFound(id));
  Entry entry = info.ok() ? EntryOf(*info, absl::Now()) : Entry{.id = id};
  if (conversation.ok()) {
    AddStored(conversation->used, &entry);
    entry.metadata = conversation->metadata;
  }
  HttpResponse response;
  JsonWriter json(&response.body);
  Write(entry, json);
  return response;
}

// The state alone: a conversation's items are deleted with the conversation.
Answer HandleDelete(Service& service, const HttpRequest& request) {
  const std::string& id = request.captures.front();
  const absl::Status erased = service.engine.sessions().Erase(request.client.key, id);
  if (!erased.ok()) return ErrorResponse(NotFound(id));
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("id").String(id).Key("object").String("session.deleted");
  json.Key("deleted").Bool(true).EndObject();
  return response;
}

}  // namespace

void AddSessions(RouteList& list) {
  const std::string all = "/v1/sessions", one = all + "/*", name = "sessions";
  list.AddWaiting("GET", all, name, HandleList,
                  {.summary = "What is kept of this key's sessions and conversations, and where",
                   .answer = "SessionList",
                   .pages = true});
  list.AddWaiting("GET", one, name, HandleGet, {.summary = "What is kept of a session", .answer = "Session"});
  list.AddWaiting(
      "DELETE", one, name, HandleDelete,
      {.summary = "Forget a session's name and its state; a conversation's items stay", .answer = "SessionDeleted"});
  const boost::json::value answers = boost::json::parse(kSessionAnswers);
  for (const auto& [schema, value] : answers.as_object()) {
    list.AddSchema({schema.data(), schema.size()}, value.as_object());
  }
}

}  // namespace batucada
