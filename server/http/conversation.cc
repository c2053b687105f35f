#include "server/http/conversation.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant", "tool"};

bj::string Text(std::string_view text) { return bj::string(text.data(), text.size()); }

// One part of a content: {"type": "text", "text": …}.
void CheckPart(RequestReader& reader, const std::string& path, const bj::value& part) {
  if (!part.is_object()) return reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(part)));
  RequestReader members(part.get_object(), path + ".");
  std::string type;
  members.Read("type", &type);
  if (members.ok() && type != "text") {
    return reader.Fail(path + ".type", "must be \"text\": this server takes no images, audio or files",
                       "unsupported_parameter");
  }
  const bj::value* text = members.Take("text");
  if (members.ok() && (text == nullptr || !text->is_string())) {
    members.Fail("text", fmt::format("must be a string, not {}", text == nullptr ? "absent" : DescribeJson(*text)));
  }
  reader.Fail(members.Finish());
}

void CheckContent(RequestReader& reader, const std::string& path, const bj::value& content) {
  if (content.is_string()) return;
  if (!content.is_array()) {
    return reader.Fail(path, fmt::format("must be a string or a list of text parts, not {}", DescribeJson(content)));
  }
  const bj::array& parts = content.get_array();
  for (size_t i = 0; i < parts.size() && reader.ok(); ++i) CheckPart(reader, fmt::format("{}[{}]", path, i), parts[i]);
}

void CheckMessage(RequestReader& reader, const std::string& path, const bj::value& message) {
  if (!message.is_object()) return reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(message)));
  RequestReader members(message.get_object(), path + ".");
  std::string role, unused;
  members.Read("role", &role);
  if (members.ok() && std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
    members.Fail("role",
                 role.empty() ? fmt::format("is missing: it must be one of {}", fmt::join(kRoles, ", "))
                              : fmt::format("must be one of {}", fmt::join(kRoles, ", ")),
                 role.empty() ? "missing_parameter" : "invalid_value");
  }
  for (const char* name : {"name", "tool_call_id", "reasoning_content", "reasoning", "refusal"}) {
    members.Read(name, &unused);
  }
  const bj::value* calls = members.Take("tool_calls");
  if (calls != nullptr && !calls->is_array()) {
    members.Fail("tool_calls", fmt::format("must be a list, not {}", DescribeJson(*calls)));
  }
  members.Refuse("function_call", {});
  members.Refuse("audio", {});
  const bj::value* content = members.Take("content");
  reader.Fail(members.Finish());
  if (content != nullptr) return CheckContent(reader, path + ".content", *content);
  // Past calls of tools stand for themselves.
  if (calls != nullptr && role == "assistant") return;
  reader.Fail(path + ".content", "is missing: give a string or a list of text parts", "missing_parameter");
}

}  // namespace

void ReadConversation(RequestReader& reader, std::optional<ChatInput>* conversation) {
  const bj::value* messages = reader.Take("messages");
  const bj::value* asked = reader.Take("add_generation_prompt");
  bool generation_prompt = true, continues = false;
  reader.Read("add_generation_prompt", &generation_prompt);
  reader.Read("continue_final_message", &continues);
  const bj::value* kwargs = reader.Take("chat_template_kwargs");
  if (messages == nullptr || !reader.ok()) return;
  if (!messages->is_array()) {
    return reader.Fail("messages", fmt::format("must be a list of messages, not {}", DescribeJson(*messages)));
  }
  const bj::array& list = messages->get_array();
  if (list.empty()) return reader.Fail("messages", "is an empty list: give at least one message", "invalid_value");
  if (list.size() > kMaxMessages) {
    return reader.Fail("messages", fmt::format("has {} messages: at most {}", list.size(), kMaxMessages),
                       "invalid_value");
  }
  for (size_t i = 0; i < list.size() && reader.ok(); ++i) CheckMessage(reader, fmt::format("messages[{}]", i), list[i]);
  if (continues && asked != nullptr && generation_prompt) {
    return reader.Fail("continue_final_message", "and add_generation_prompt are both true: only one of them can be",
                       "invalid_value");
  }
  if (kwargs != nullptr && !kwargs->is_object()) {
    return reader.Fail("chat_template_kwargs", fmt::format("must be an object, not {}", DescribeJson(*kwargs)));
  }
  if (!reader.ok()) return;
  ChatInput& input = conversation->emplace();
  input.messages = list;
  input.ending = continues           ? ChatEnding::kContinueFinalMessage
                 : generation_prompt ? ChatEnding::kGenerationPrompt
                                     : ChatEnding::kClosed;
  if (kwargs != nullptr) input.variables = kwargs->get_object();
}

std::string FinalAssistantText(const ChatInput& conversation) {
  const bj::object& message = conversation.messages.back().get_object();
  const bj::value* content = message.if_contains("content");
  if (message.at("role") != "assistant" || content == nullptr) return "";
  if (const bj::string* text = content->if_string()) return {text->data(), text->size()};
  std::string joined;
  const bj::array* parts = content->if_array();
  for (size_t i = 0; parts != nullptr && i < parts->size(); ++i) {
    const bj::string& text = (*parts)[i].at("text").as_string();
    joined.append(i == 0 ? "" : "\n").append(text.data(), text.size());
  }
  return joined;
}

bj::object MessagesSchema() {
  bj::object type = StringSchema("");
  type["const"] = "text";
  bj::object part = ObjectSchema("", {{"type", type}, {"text", StringSchema("")}});
  part["required"] = {"type", "text"};
  part["additionalProperties"] = false;
  bj::object role = StringSchema("");
  for (const std::string_view name : kRoles) {
    if (!role.contains("enum")) role["enum"] = bj::array();
    role["enum"].get_array().push_back(Text(name));
  }
  const bj::object text = Nullable(StringSchema(""));
  bj::object message = ObjectSchema(
      "", {{"role", role},
           {"content", AnyOfSchema("A text, or parts of text. May be absent beside tool_calls.",
                                   {StringSchema(""), ArraySchema("", part), bj::object{{"type", "null"}}})},
           {"name", text},
           {"tool_call_id", text},
           {"reasoning_content", text},
           {"reasoning", text},
           {"refusal", text},
           {"tool_calls", Nullable(ArraySchema("Calls of the past, as the template knows them.", bj::object()))}});
  message["required"] = bj::array{"role"};
  message["anyOf"] = {bj::object{{"required", {"content"}}}, bj::object{{"required", {"tool_calls"}}}};
  message["additionalProperties"] = false;
  bj::object messages =
      ArraySchema("The conversation so far, rendered by the model's chat template.", std::move(message));
  messages["minItems"] = 1;
  messages["maxItems"] = kMaxMessages;
  return messages;
}

bj::object AddGenerationPromptSchema() {
  return BooleanSchema("Open the assistant's next message behind the last one.", true);
}

bj::object ContinueFinalMessageSchema() {
  return BooleanSchema("Leave the last message open for the model to go on with it.", false);
}

bj::object ChatTemplateKwargsSchema() {
  return ObjectSchema("More names for the template to see, such as enable_thinking.", {});
}

}  // namespace batucada
