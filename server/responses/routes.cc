#include "server/responses/routes.h"

#include <boost/json/parse.hpp>

#include "server/responses/conversations.h"
#include "server/responses/create_response.h"
#include "server/responses/response_request.h"
#include "server/responses/sessions.h"
#include "server/responses/stored_responses.h"

namespace batucada {
namespace {

// Answers may grow members; clients must bear that, so none says additionalProperties.
constexpr char kRouteAnswers[] = R"json({
"Item": {"type": "object", "required": ["id", "type"], "properties": {
  "id": {"type": "string"},
  "type": {"enum": ["message", "function_call", "function_call_output", "reasoning"]},
  "status": {"enum": ["in_progress", "completed", "incomplete"]},
  "role": {"enum": ["user", "assistant", "system", "developer"]},
  "content": {"type": "array", "items": {"type": "object", "required": ["type"], "properties": {
    "type": {"enum": ["input_text", "output_text", "reasoning_text"]}, "text": {"type": "string"},
    "annotations": {"type": "array"},
    "logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}}}}},
  "summary": {"type": "array"}, "call_id": {"type": "string"}, "name": {"type": "string"},
  "arguments": {"type": "string"}, "output": {"type": "string"}}},
"ItemList": {"type": "object", "required": ["object", "data", "first_id", "last_id", "has_more"], "properties": {
  "object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
  "first_id": {"type": ["string", "null"]}, "last_id": {"type": ["string", "null"]},
  "has_more": {"type": "boolean"}}},
"Response": {"type": "object", "required": ["id", "object", "created_at", "status", "model", "output", "usage"],
  "properties": {
  "id": {"type": "string"}, "object": {"const": "response"}, "created_at": {"type": "integer"},
  "completed_at": {"type": ["integer", "null"]}, "model": {"type": "string"},
  "status": {"enum": ["in_progress", "completed", "incomplete", "cancelled", "failed"]},
  "error": {"type": ["object", "null"], "properties": {"code": {"type": "string"}, "message": {"type": "string"}}},
  "incomplete_details": {"type": ["object", "null"], "properties": {"reason": {"const": "max_output_tokens"}}},
  "output": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
  "previous_response_id": {"type": ["string", "null"]},
  "conversation": {"type": ["object", "null"], "properties": {"id": {"type": "string"}}},
  "store": {"type": "boolean", "description": "Whether it is kept."},
  "store_error": {"type": "object", "description": "Why it is not, though it was to be.",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}}},
  "usage": {"type": ["object", "null"], "required": ["input_tokens", "output_tokens", "total_tokens"], "properties": {
    "input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"},
    "input_tokens_details": {"type": "object", "properties": {"cached_tokens": {"type": "integer"},
      "cache_write_tokens": {"type": "integer"}}},
    "output_tokens_details": {"type": "object", "properties": {"reasoning_tokens": {"type": "integer"}}}}}}},
"Deleted": {"type": "object", "required": ["id", "object", "deleted"], "properties": {"id": {"type": "string"},
  "object": {"enum": ["response", "conversation.deleted"]}, "deleted": {"const": true}}},
"Conversation": {"type": "object", "required": ["id", "object", "created_at", "metadata"], "properties": {
  "id": {"type": "string"}, "object": {"const": "conversation"}, "created_at": {"type": "integer"},
  "metadata": {"type": "object", "additionalProperties": {"type": "string"}}}}
})json";

void AddConversations(RouteList& list) {
  const std::string all = "/v1/conversations", one = all + "/*", items = one + "/items", item = items + "/*";
  const std::string name = "conversations";
  list.AddWaiting("POST", all, name, HandleCreateConversation,
                  {.summary = "Begin a conversation, with items perhaps",
                   .request = "CreateConversationRequest",
                   .answer = "Conversation"});
  list.AddWaiting("GET", item, name, HandleGetItem, {.summary = "One item of a conversation", .answer = "Item"});
  list.AddWaiting("DELETE", item, name, HandleDeleteItem,
                  {.summary = "Take an item out of a conversation", .answer = "Conversation"});
  list.AddWaiting("GET", items, name, HandleListItems,
                  {.summary = "The items of a conversation", .answer = "ItemList", .pages = true});
  list.AddWaiting("POST", items, name, HandleCreateItems,
                  {.summary = "Add items to a conversation", .request = "CreateItemsRequest", .answer = "ItemList"});
  list.AddWaiting("GET", one, name, HandleGetConversation, {.summary = "A conversation", .answer = "Conversation"});
  list.AddWaiting("POST", one, name, HandleUpdateConversation,
                  {.summary = "Change a conversation's metadata",
                   .request = "UpdateConversationRequest",
                   .answer = "Conversation"});
  list.AddWaiting(
      "DELETE", one, name, HandleDeleteConversation,
      {.summary = "Delete a conversation, and the state that is kept of it; responses that belong to it stay",
       .answer = "Deleted"});
}

}  // namespace

void AddResponses(RouteList& list) {
  const std::string all = "/v1/responses", one = all + "/*", name = "responses";
  list.AddWaiting("POST", all, name, HandleCreateResponse,
                  {.summary = "Answer, and keep the answer for what goes on from it",
                   .request = "ResponseRequest",
                   .answer = "Response",
                   .streams = OperationSpec::Streams::kIfAsked});
  list.AddWaiting("GET", one + "/input_items", name, HandleInputItems,
                  {.summary = "All that a response was given", .answer = "ItemList", .pages = true});
  list.AddWaiting("POST", one + "/cancel", name, HandleCancelResponse,
                  {.summary = "End a response that is being made", .answer = "Response"});
  list.AddWaiting("POST", all + "/input_tokens", name, HandleCountInput,
                  {.summary = "How many tokens a response would be given, tools and all",
                   .request = "ResponseRequest",
                   .answer = "InputTokens"});
  list.AddWaiting("GET", one, name, HandleGetResponse, {.summary = "A response", .answer = "Response"});
  list.AddWaiting("DELETE", one, name, HandleDeleteResponse,
                  {.summary = "Delete a response; those that go on from it stay", .answer = "Deleted"});
  list.AddSchema("InputTokens", boost::json::parse(R"({"type": "object", "required": ["object", "input_tokens"],
    "properties": {"object": {"const": "response.input_tokens"}, "input_tokens": {"type": "integer"}}})")
                                    .as_object());
  AddConversations(list);
  AddSessions(list);

  const boost::json::value answers = boost::json::parse(kRouteAnswers);
  for (const auto& [schema, value] : answers.as_object()) {
    list.AddSchema({schema.data(), schema.size()}, value.as_object());
  }
  const UnknownMembers::Policy unknown = list.service().config.unknown_members();
  list.AddSchema("ResponseRequest", ResponseParameters().Schema(unknown));
  list.AddSchema("CreateConversationRequest", CreateConversationParameters().Schema(unknown));
  list.AddSchema("UpdateConversationRequest", UpdateConversationParameters().Schema(unknown));
  list.AddSchema("CreateItemsRequest", CreateItemsParameters().Schema(unknown));
}

}  // namespace batucada
