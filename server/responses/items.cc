#include "server/responses/items.h"

#include <algorithm>
#include <array>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/json.h"
#include "base/nested_json.h"
#include "base/status.h"
#include "base/write_json.h"
#include "server/common/error.h"
#include "server/common/request_id.h"
#include "server/json/json_schema.h"
#include "server/openai/chat_message.h"
#include "server/store/item_tree.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr const char* kBreakpoint = "prompt_cache_breakpoint";  // of a part: see text/breakpoints.h
constexpr const char* kRoles[] = {"user", "assistant", "system", "developer"};

std::string Text(const bj::string& text) { return {text.data(), text.size()}; }
bj::string Text(std::string_view text) { return bj::string(text.data(), text.size()); }

StoredItem Keep(const bj::object& item) { return {.id = Text(item.at("id").as_string()), .json = WriteJson(item)}; }

// The client's own, which may be one that it was told, or a new one.
std::string IdOf(RequestReader& members, std::string_view prefix) {
  std::string id;
  members.Read("id", &id);
  if (id.empty()) return NewId(prefix);
  if (!IsSoundRequestId(id)) {
    members.Fail("id", "must be 1 to 128 printable ASCII characters, without spaces or quotes", "invalid_value");
  }
  return id;
}

bj::array Parts(const bj::value& content, const bj::string& role) {
  const bool made = role == "assistant";
  const auto part = [made](const bj::string& text) {
    bj::object object = {{"type", made ? "output_text" : "input_text"}, {"text", text}};
    if (made) object["annotations"] = bj::array();
    return object;
  };
  bj::array parts;
  if (const bj::string* text = content.if_string()) parts.push_back(part(*text));
  if (const bj::array* list = content.if_array()) {
    for (const bj::value& one : *list) {
      bj::object kept = part(one.at("text").as_string());
      if (const bj::value* mark = one.get_object().if_contains(kBreakpoint)) kept[kBreakpoint] = *mark;
      parts.push_back(std::move(kept));
    }
  }
  return parts;
}

// How far the item was made, which says nothing to the model.
void ReadStatus(RequestReader& members) {
  constexpr std::array<std::string_view, 3> kStatuses = {"in_progress", "completed", "incomplete"};
  if (members.Take("status") == nullptr) return;
  std::string status;
  members.Read("status", &status);
  if (!members.ok() || std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end()) return;
  members.Fail("status", "must be one of in_progress, completed, incomplete", "invalid_value");
}

StoredItem ReadMessage(RequestReader& reader, const std::string& path, const bj::object& object) {
  RequestReader members(object, path + ".", reader);
  std::string role;
  members.Read("role", &role);
  if (members.ok() && std::find(std::begin(kRoles), std::end(kRoles), role) == std::end(kRoles)) {
    members.Fail("role", "must be one of user, assistant, system, developer",
                 role.empty() ? "missing_parameter" : "invalid_value");
  }
  const std::string id = IdOf(members, "msg_");
  ReadStatus(members);
  for (const char* known : {"type", "content", "phase"}) members.Take(known);
  reader.Fail(members.Finish());
  if (!reader.ok()) return {};
  bj::object said = {{"role", Text(role)}};
  if (const bj::value* content = object.if_contains("content")) said["content"] = *content;
  const bj::object message = ReadChatMessage(reader, path, said);
  if (!reader.ok()) return {};
  return Keep({{"id", Text(id)},
               {"type", "message"},
               {"status", "completed"},
               {"role", Text(role)},
               {"content", Parts(message.at("content"), message.at("role").as_string())}});
}

// An item of texts that must be there, under these names, and of nothing else but what is `passed_over`.
StoredItem ReadTexts(RequestReader& reader, const std::string& path, const bj::object& object, std::string_view prefix,
                     std::initializer_list<const char*> names) {
  RequestReader members(object, path + ".", reader);
  bj::object item = {{"id", Text(IdOf(members, prefix))}, {"type", object.at("type")}, {"status", "completed"}};
  for (const char* name : names) {
    std::string text;
    members.Read(name, &text);
    if (members.ok() && members.Take(name) == nullptr) members.Fail(name, "is missing", "missing_parameter");
    item[name] = Text(text);
  }
  if (members.ok() && item.contains("name") && item.at("name").as_string().empty()) {
    members.Fail("name", "is empty", "invalid_value");
  }
  ReadStatus(members);
  for (const char* known : {"type", "caller", "namespace"}) members.Take(known);
  reader.Fail(members.Finish());
  return reader.ok() ? Keep(item) : StoredItem{};
}

// `output` may be a list of parts, too.
StoredItem ReadCallOutput(RequestReader& reader, const std::string& path, const bj::object& object) {
  const bj::value* output = object.if_contains("output");
  if (output == nullptr || !output->is_array()) {
    return ReadTexts(reader, path, object, "fco_", {"call_id", "output"});
  }
  std::string joined;
  const bj::array& parts = output->get_array();
  for (size_t i = 0; i < parts.size(); ++i) {
    const bj::object* part = parts[i].if_object();
    const bj::value* type = part == nullptr ? nullptr : part->if_contains("type");
    const bj::value* text = part == nullptr ? nullptr : part->if_contains("text");
    if (type == nullptr || *type != "input_text" || text == nullptr || !text->is_string()) {
      reader.Fail(fmt::format("{}.output[{}]", path, i),
                  "must be {\"type\": \"input_text\", \"text\": a string}: this "
                  "server takes no images or files",
                  "unsupported_parameter");
      return {};
    }
    joined += Text(text->get_string());
  }
  bj::object plain = object;
  plain["output"] = Text(joined);
  return ReadTexts(reader, path, plain, "fco_", {"call_id", "output"});
}

// Kept as it came: who thought it may not be this server.
StoredItem ReadReasoningItem(RequestReader& reader, const std::string& path, const bj::object& object) {
  RequestReader members(object, path + ".", reader);
  bj::object item = object;
  item["id"] = Text(IdOf(members, "rs_"));
  ReadStatus(members);
  const bj::value* summary = members.Take("summary");
  if (summary != nullptr && !summary->is_array()) {
    members.Fail("summary", fmt::format("must be a list, not {}", DescribeJson(*summary)));
  }
  if (summary == nullptr) item["summary"] = bj::array();
  reader.Fail(members.status());
  return reader.ok() ? Keep(item) : StoredItem{};
}

StoredItem ReadItem(RequestReader& reader, const std::string& path, const bj::value& value) {
  if (!value.is_object()) {
    reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(value)));
    return {};
  }
  const bj::object& object = value.get_object();
  RequestReader members(object, path + ".", reader);
  std::string type;
  members.Read("type", &type);
  reader.Fail(members.status());
  if (!reader.ok()) return {};
  const bool typed = members.Take("type") != nullptr;
  if (type == "message" || (!typed && object.contains("role"))) return ReadMessage(reader, path, object);
  if (type == "function_call") return ReadTexts(reader, path, object, "fc_", {"call_id", "name", "arguments"});
  if (type == "function_call_output") return ReadCallOutput(reader, path, object);
  if (type == "reasoning") return ReadReasoningItem(reader, path, object);
  if (type == "item_reference" || (!typed && object.contains("id"))) {
    std::string id;
    members.Read("id", &id);
    if (members.ok() && id.empty()) members.Fail("id", "is missing", "missing_parameter");
    reader.Fail(members.status());
    return {.id = id, .json = ""};
  }
  reader.Fail(path + ".type",
              !typed ? "is missing: give \"message\", or a role"
                     : "must be message, function_call, function_call_output, reasoning or item_reference: this "
                       "server takes no others",
              !typed ? "missing_parameter" : "unsupported_parameter");
  return {};
}

// A message's texts as a template takes them.
bj::value ContentOf(const bj::array& parts) {
  if (parts.size() == 1 && !parts.front().as_object().contains(kBreakpoint)) return parts.front().at("text");
  bj::array texts;
  for (const bj::value& part : parts) {
    bj::object text = {{"type", "text"}, {"text", part.at("text")}};
    if (const bj::value* mark = part.as_object().if_contains(kBreakpoint)) text[kBreakpoint] = *mark;
    texts.push_back(std::move(text));
  }
  return texts;
}

// What was thought: the texts of the content, or else of the summary.
std::string ThinkingOf(const bj::object& item) {
  std::string thinking;
  for (const char* name : {"content", "summary"}) {
    const bj::value* parts = item.if_contains(name);
    if (parts == nullptr || !parts->is_array()) continue;
    for (const bj::value& part : parts->get_array()) {
      const bj::value* text = part.is_object() ? part.get_object().if_contains("text") : nullptr;
      if (text != nullptr && text->is_string()) thinking += Text(text->get_string());
    }
    if (!thinking.empty()) break;
  }
  return thinking;
}

void SetThinking(std::string* thinking, bj::object* message) {
  if (!thinking->empty()) message->emplace("reasoning_content", Text(std::exchange(*thinking, {})));
}

void AddCall(const bj::object& item, std::string* thinking, bj::array* messages) {
  bj::object call = {{"id", item.at("call_id")},
                     {"type", "function"},
                     {"function", {{"name", item.at("name")}, {"arguments", item.at("arguments")}}}};
  const bool joins = !messages->empty() && messages->back().at("role") == "assistant";
  if (!joins) messages->push_back({{"role", "assistant"}, {"content", nullptr}});
  bj::object& message = messages->back().get_object();
  SetThinking(thinking, &message);
  if (!message.contains("tool_calls")) message["tool_calls"] = bj::array();
  message["tool_calls"].get_array().push_back(std::move(call));
}

// `thinking`: of the item before, for the one that it leads to.
void AddMessage(const bj::object& item, std::string* thinking, bj::array* messages) {
  const bj::string& type = item.at("type").as_string();
  if (type == "reasoning") {
    *thinking = ThinkingOf(item);
  } else if (type == "message") {
    bj::object message = {{"role", item.at("role")}, {"content", ContentOf(item.at("content").as_array())}};
    if (message.at("role") == "assistant") SetThinking(thinking, &message);
    thinking->clear();
    messages->push_back(std::move(message));
  } else if (type == "function_call") {
    AddCall(item, thinking, messages);
  } else if (type == "function_call_output") {
    thinking->clear();
    messages->push_back({{"role", "tool"}, {"tool_call_id", item.at("call_id")}, {"content", item.at("output")}});
  }
}

absl::Status AddMessageOf(const bj::value& item, std::string* thinking, bj::array* messages) {
  if (!item.is_object()) return absl::DataLossError("an item is no JSON object");
  try {
    AddMessage(item.get_object(), thinking, messages);
  } catch (const std::exception& unexpected) {
    return absl::DataLossError(unexpected.what());
  }
  return absl::OkStatus();
}

// Whether the calls of an input are different ones, and every output one of a call.
class CallsOfInput {
 public:
  // REQUIRES: a message was made of the item.
  absl::Status Take(size_t index, const bj::object& item) {
    const bj::string& type = item.at("type").as_string();
    if (type == "function_call") {
      std::string id = Text(item.at("call_id").as_string());
      if (made_.contains(id)) {
        return InvalidParameter(ParameterOf(index), fmt::format("{} is {}, as another call's: they must differ",
                                                                ParameterOf(index), Printable(id)));
      }
      made_.insert(std::move(id));
    } else if (type == "function_call_output") {
      outputs_.emplace_back(index, Text(item.at("call_id").as_string()));
    }
    return absl::OkStatus();
  }

  absl::Status Check(std::span<const std::shared_ptr<const KnownItem>> before) {
    const auto lone = [this](const auto& output) { return !made_.contains(output.second); };
    if (std::none_of(outputs_.begin(), outputs_.end(), lone)) return absl::OkStatus();
    for (const auto& item : before) {
      const bj::object& object = item->value.get_object();
      if (object.at("type") == "function_call") made_.insert(Text(object.at("call_id").as_string()));
    }
    const auto output = std::find_if(outputs_.begin(), outputs_.end(), lone);
    if (output == outputs_.end()) return absl::OkStatus();
    return InvalidParameter(
        ParameterOf(output->first),
        fmt::format("No tool call found for function call output with call_id {}.", Printable(output->second)));
  }

 private:
  static std::string ParameterOf(size_t index) { return fmt::format("input[{}].call_id", index); }

  absl::flat_hash_set<std::string> made_;
  std::vector<std::pair<size_t, std::string>> outputs_;  // which item, and of which call
};

// A history has one item of an id, for items are asked for, paged and deleted by theirs.
absl::Status CheckIds(std::span<const StoredItem> items, std::span<const std::shared_ptr<const KnownItem>> before) {
  absl::flat_hash_map<std::string_view, size_t> places;
  for (size_t i = 0; i < items.size(); ++i) places.emplace(items[i].id, i);
  for (const auto& item : before) {
    const bj::string& id = item->value.at("id").as_string();
    const auto place = places.find(std::string_view(id.data(), id.size()));
    if (place == places.end()) continue;
    const std::string name = fmt::format("input[{}].id", place->second);
    return InvalidParameter(name, fmt::format("{} is that of an item before, {}: give each its own, or none", name,
                                              Printable(place->first)));
  }
  return absl::OkStatus();
}

}  // namespace

std::string NewId(std::string_view prefix) { return std::string(prefix) + NewRequestId(); }

StoredItem TextMessage(std::string_view role, std::string_view text) {
  const bj::string name = Text(role);
  return Keep({{"id", Text(NewId("msg_"))},
               {"type", "message"},
               {"status", "completed"},
               {"role", name},
               {"content", Parts(Text(text), name)}});
}

std::vector<StoredItem> ReadItems(RequestReader& reader, std::string_view name) {
  std::vector<StoredItem> items;
  const bj::value* value = reader.Take(name);
  if (value == nullptr) return items;
  if (const bj::string* text = value->if_string()) {
    items.push_back(TextMessage("user", {text->data(), text->size()}));
    return items;
  }
  if (!value->is_array()) {
    reader.Fail(name, fmt::format("must be a string or a list of items, not {}", DescribeJson(*value)));
    return items;
  }
  const bj::array& list = value->get_array();
  if (static_cast<int64_t>(list.size()) > kMaxHistoryItems) {
    reader.Fail(name, fmt::format("has {} items: at most {}", list.size(), kMaxHistoryItems), "invalid_value");
    return items;
  }
  items.reserve(list.size());
  absl::flat_hash_set<std::string> ids;
  for (size_t i = 0; i < list.size() && reader.ok(); ++i) {
    items.push_back(ReadItem(reader, fmt::format("{}[{}]", name, i), list[i]));
    if (reader.ok() && !ids.insert(items.back().id).second) {
      reader.Fail(fmt::format("{}[{}].id", name, i), "is that of another item: give each its own, or none",
                  "invalid_value");
    }
  }
  return items;
}

absl::Status AddHistory(std::span<const std::shared_ptr<const KnownItem>> items, bj::array* messages) {
  std::string thinking;
  for (const auto& item : items) BATUCADA_RETURN_IF_ERROR(AddMessageOf(item->value, &thinking, messages));
  return absl::OkStatus();
}

absl::Status AddInput(std::span<const StoredItem> items, std::span<const std::shared_ptr<const KnownItem>> before,
                      bj::array* messages) {
  std::string thinking;
  CallsOfInput calls;
  for (size_t i = 0; i < items.size(); ++i) {
    const absl::StatusOr<bj::value> value = ParseKeptJson(items[i].json, "an item");
    if (!value.ok()) return absl::DataLossError("an item is no JSON object");
    BATUCADA_RETURN_IF_ERROR(AddMessageOf(*value, &thinking, messages));
    BATUCADA_RETURN_IF_ERROR(calls.Take(i, value->get_object()));
  }
  BATUCADA_RETURN_IF_ERROR(CheckIds(items, before));
  return calls.Check(before);
}

bj::object ItemsSchema(std::string_view description) {
  bj::object type = StringSchema(
      "message (the default, with role and content, a text or a list of text parts); function_call (call_id, name, "
      "arguments) and function_call_output (call_id, output), calls of the past; reasoning, which templates may "
      "show with the message or call behind it; item_reference, an item that is stored (id).");
  type["enum"] = {"message", "function_call", "function_call_output", "reasoning", "item_reference"};
  bj::object items = ArraySchema(
      description, ObjectSchema("", {{"type", Nullable(type)}, {"id", Nullable(StringSchema("Default: a new one."))}}));
  items["maxItems"] = kMaxHistoryItems;
  return items;
}

bj::object InputSchema() {
  return AnyOfSchema("What the model is given, behind what the response goes on from.",
                     {StringSchema("A user's message."), ItemsSchema("")});
}

}  // namespace batucada
