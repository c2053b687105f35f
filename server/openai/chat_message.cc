#include "server/openai/chat_message.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/json/json_schema.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant", "tool"};

// Members of messages that are texts, for the template.
constexpr const char* kTexts[] = {"name", "reasoning_content", "reasoning", "refusal"};

// What programs add to messages of any role. None changes what is said; templates see them.
constexpr const char* kKept[] = {"annotations",
                                 "cache_control",
                                 "citations",
                                 "created",
                                 "created_at",
                                 "example",
                                 "id",
                                 "index",
                                 "metadata",
                                 "model",
                                 "object",
                                 "parsed",
                                 "prefix",
                                 "provider_specific_fields",
                                 "reasoning_details",
                                 "status",
                                 "timestamp",
                                 "type",
                                 "thinking_blocks"};

// What a message says beside its content, in the shapes of several servers: not to be left out without a word.
constexpr const char* kMedia[] = {"attachments", "audios", "files", "image", "image_url", "images", "video", "videos"};

bj::string JsonText(std::string_view text) { return bj::string(text.data(), text.size()); }

// A part of a content, under its own name where it is a text by another: OpenAI's Responses and refusals.
bj::object ReadPart(RequestReader& reader, const std::string& path, const bj::value& part) {
  if (const bj::string* text = part.if_string()) return {{"type", "text"}, {"text", *text}};
  if (!part.is_object()) {
    reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(part)));
    return {};
  }
  const bj::object& object = part.get_object();
  RequestReader members(object, path + ".", reader);
  std::string type;
  members.Read("type", &type);
  const bool refuses = type == "refusal";
  if (members.ok() && type != "text" && type != "input_text" && type != "output_text" && !refuses) {
    reader.Fail(path + ".type", "must be \"text\": this server takes no images, audio or files",
                "unsupported_parameter");
    return {};
  }
  const char* name = refuses ? "refusal" : "text";
  members.Take(name);
  const bj::value* text = object.if_contains(name);
  if (members.ok() && (text == nullptr || !text->is_string())) {
    members.Fail(name, fmt::format("must be a string, not {}", text == nullptr ? "absent" : DescribeJson(*text)));
  }
  for (const char* kept : {"annotations", "cache_control", "id", "index", "logprobs"}) members.Take(kept);
  const bj::value* breakpoint = members.Take("prompt_cache_breakpoint");
  if (members.ok() && breakpoint != nullptr && !breakpoint->is_object()) {
    members.Fail("prompt_cache_breakpoint", fmt::format("must be an object, not {}", DescribeJson(*breakpoint)));
  }
  reader.Fail(members.Finish());
  if (!reader.ok()) return {};
  bj::object read = {{"type", "text"}, {"text", *text}};
  for (const auto& member : object) {
    const bool is_text = member.key() == "type" || member.key() == name;
    if (!is_text && !member.value().is_null()) read[member.key()] = member.value();
  }
  return read;
}

bj::value ReadMessageContent(RequestReader& reader, const std::string& path, const bj::value& content) {
  if (content.is_string()) return content;
  if (!content.is_array()) {
    reader.Fail(path, fmt::format("must be a string or a list of text parts, not {}", DescribeJson(content)));
    return nullptr;
  }
  const bj::array& parts = content.get_array();
  bj::array read;
  read.reserve(parts.size());
  for (size_t i = 0; i < parts.size() && reader.ok(); ++i) {
    read.push_back(ReadPart(reader, fmt::format("{}[{}]", path, i), parts[i]));
  }
  return read;
}

void ReadRole(RequestReader& members, std::string* role) {
  members.Read("role", role);
  if (!members.ok() || std::find(kRoles.begin(), kRoles.end(), *role) != kRoles.end()) return;
  members.Fail("role",
               role->empty() ? fmt::format("is missing: it must be one of {}", fmt::join(kRoles, ", "))
                             : fmt::format("must be one of {}", fmt::join(kRoles, ", ")),
               role->empty() ? "missing_parameter" : "invalid_value");
}

// One call of the past, the member `path` of what `reader` reads. What else it has is kept: it is sent back as it was
// received.
void ReadCall(RequestReader& reader, const std::string& path, const bj::value& call) {
  if (!call.is_object()) return reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(call)));
  RequestReader members(call.get_object(), reader.FullName(path + "."), reader);
  std::string id, type = "function", name;
  members.Read("id", &id);
  members.Read("type", &type);
  if (members.ok() && type != "function") {
    members.Fail("type", "must be \"function\": this server knows no other calls", "unsupported_parameter");
  }
  const bj::value* function = members.Take("function");
  if (members.ok() && (function == nullptr || !function->is_object())) {
    members.Fail("function", fmt::format("must be an object with a name, not {}",
                                         function == nullptr ? "absent" : DescribeJson(*function)));
  }
  reader.Fail(members.status());
  if (!reader.ok()) return;
  RequestReader inner(function->get_object(), members.FullName("function."), reader);
  inner.Read("name", &name);
  if (inner.ok() && name.empty()) inner.Fail("name", "is missing", "missing_parameter");
  // A text need be no JSON: a call that was cut off by max_tokens is none.
  const bj::value* arguments = inner.Take("arguments");
  if (inner.ok() && arguments != nullptr && !arguments->is_string() && !arguments->is_object()) {
    inner.Fail("arguments", fmt::format("must be a string or an object, not {}", DescribeJson(*arguments)));
  }
  reader.Fail(inner.status());
}

// `calls`: of a message of that role, or null.
void ReadCalls(RequestReader& members, std::string_view role, const bj::value* calls) {
  if (calls == nullptr || !members.ok()) return;
  if (!calls->is_array()) {
    return members.Fail("tool_calls", fmt::format("must be a list, not {}", DescribeJson(*calls)));
  }
  const bj::array& list = calls->get_array();
  if (role != "assistant" && !list.empty()) {
    return members.Fail("tool_calls", "are the assistant's: a message of another role has none", "invalid_value");
  }
  for (size_t i = 0; i < list.size() && members.ok(); ++i) ReadCall(members, fmt::format("tool_calls[{}]", i), list[i]);
}

}  // namespace

bj::object ReadChatMessage(RequestReader& reader, const std::string& path, const bj::value& message) {
  if (!message.is_object()) {
    reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(message)));
    return {};
  }
  const bj::object& object = message.get_object();
  RequestReader members(object, path + ".", reader);
  std::string role, unused, answered;
  ReadRole(members, &role);
  for (const char* name : kTexts) members.Read(name, &unused);
  members.Read("tool_call_id", &answered);
  const bool is_assistant = role == "assistant";
  if (members.ok() && !answered.empty() && role != "tool" && !is_assistant) {
    members.Fail("tool_call_id", "is of a call's result: only a message of the role tool has one", "invalid_value");
  }
  const bj::value* calls = members.Take("tool_calls");
  ReadCalls(members, role, calls);
  members.Refuse("function_call", {});
  members.Refuse("audio", {});
  for (const char* name : kMedia) members.Refuse(name, {bj::array()});
  const bj::value* content = members.Take("content");
  for (const char* name : kKept) members.Take(name);
  for (const auto& member : object) {
    if (is_assistant) members.Take({member.key().data(), member.key().size()});
  }
  reader.Fail(members.Finish());
  if (!reader.ok()) return {};

  // Past calls of tools stand for themselves, and null is what an assistant says that says nothing.
  const bool says_nothing = is_assistant && (calls != nullptr || object.contains("content"));
  if (content == nullptr && !says_nothing) {
    reader.Fail(
        path + ".content",
        fmt::format("is {}: give a string or a list of text parts", object.contains("content") ? "null" : "missing"),
        "missing_parameter");
    return {};
  }
  bj::object read;
  for (const auto& member : object) {
    if (member.key() == "content") {
      read["content"] = content == nullptr ? bj::value() : ReadMessageContent(reader, path + ".content", *content);
    } else if (!member.value().is_null()) {
      read[member.key()] = member.value();
    }
  }
  return read;
}

bj::object ChatMessageSchema() {
  bj::object type = StringSchema("");
  type["enum"] = bj::array{"text", "input_text", "output_text"};
  bj::object part = ObjectSchema(
      "", {{"type", type},
           {"text", StringSchema("")},
           {"cache_control", bj::object()},
           {"prompt_cache_breakpoint", Nullable(ObjectSchema("A state is kept at the end of this part, for others that "
                                                             "begin the same; so it is for cache_control.",
                                                             {}))}});
  part["required"] = {"type", "text"};
  bj::object role = StringSchema("");
  bj::array roles;
  for (const std::string_view name : kRoles) roles.push_back(JsonText(name));
  role["enum"] = std::move(roles);
  const bj::object text = Nullable(StringSchema(""));
  bj::object arguments = AnyOfSchema("", {StringSchema(""), ObjectSchema("", {}), bj::object{{"type", "null"}}});
  bj::object called = StringSchema("");
  called["minLength"] = 1;
  bj::object function = ObjectSchema("", {{"name", std::move(called)}, {"arguments", std::move(arguments)}});
  function["required"] = bj::array{"name"};
  bj::object call_type = StringSchema("");
  call_type["enum"] = bj::array{"function"};
  bj::object call =
      ObjectSchema("", {{"id", text}, {"type", Nullable(std::move(call_type))}, {"function", std::move(function)}});
  call["required"] = bj::array{"function"};
  bj::object members = {
      {"role", role},
      {"content", AnyOfSchema("A text, or parts of text. An assistant's may be null, or absent beside tool_calls.",
                              {StringSchema(""), ArraySchema("", part), ArraySchema("", StringSchema("")),
                               bj::object{{"type", "null"}}})},
      {"tool_call_id", text},
      {"tool_calls", Nullable(ArraySchema("An assistant's: calls of the past, as the template knows them. `arguments` "
                                          "may be JSON in a string.",
                                          std::move(call)))},
      {"function_call", bj::object{{"type", "null"}}},
      {"audio", bj::object{{"type", "null"}}}};
  for (const char* name : kTexts) members[name] = text;
  for (const char* name : kMedia) members[name] = {{"enum", {nullptr, bj::array()}}};
  for (const char* name : kKept) members[name] = bj::object();
  bj::object message =
      ObjectSchema("An assistant's may have more members: it is sent back as it was received.", std::move(members));
  message["required"] = bj::array{"role"};
  message["anyOf"] = {bj::object{{"required", {"content"}}}, bj::object{{"required", {"tool_calls"}}}};
  return message;
}

}  // namespace batucada
