#include "server/openai/conversation.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/strings.h"
#include "server/openai/chat_message.h"

namespace batucada {
namespace bj = boost::json;

namespace {

// DeepSeek's and Mistral's way to say continue_final_message.
bool IsPrefix(const bj::object& message) {
  const bj::value* prefix = message.if_contains("prefix");
  return message.at("role") == "assistant" && prefix != nullptr && prefix->is_bool() && prefix->get_bool();
}

}  // namespace

void CheckTemplateVariables(RequestReader& reader, const bj::object& variables) {
  for (const auto& member : variables) {
    const std::string_view name(member.key().data(), member.key().size());
    // Other tools than the answer's parser and its grammar know of.
    if (name != "tools" && !ChatTemplate::IsReserved(name)) continue;
    reader.Fail(Concat("chat_template_kwargs.", name),
                "cannot be given as a variable of the chat template: leave it out", "invalid_value");
  }
}

void ReadConversation(RequestReader& reader, std::optional<ChatInput>* conversation) {
  const bj::value* messages = reader.Take("messages");
  const bj::value* asked = reader.Take("add_generation_prompt");
  bool generation_prompt = true, continues = false;
  reader.Read("add_generation_prompt", &generation_prompt);
  reader.Read("continue_final_message", &continues);
  const bj::value* kwargs = reader.Take("chat_template_kwargs");
  if (kwargs != nullptr && !kwargs->is_object()) {
    return reader.Fail("chat_template_kwargs", fmt::format("must be an object, not {}", DescribeJson(*kwargs)));
  }
  if (kwargs != nullptr) CheckTemplateVariables(reader, kwargs->get_object());
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
  bj::array read;
  read.reserve(list.size());
  for (size_t i = 0; i < list.size() && reader.ok(); ++i) {
    read.push_back(ReadChatMessage(reader, fmt::format("messages[{}]", i), list[i]));
  }
  if (reader.ok() && IsPrefix(read.back().get_object())) continues = true;
  if (continues && asked != nullptr && generation_prompt) {
    return reader.Fail("continue_final_message", "and add_generation_prompt are both true: only one of them can be",
                       "invalid_value");
  }
  if (!reader.ok()) return;
  ChatInput& input = conversation->emplace();
  input.messages = std::move(read);
  input.ending = continues           ? ChatEnding::kContinueFinalMessage
                 : generation_prompt ? ChatEnding::kGenerationPrompt
                                     : ChatEnding::kClosed;
  if (kwargs != nullptr) input.variables = kwargs->get_object();
}

bool EndsWithAssistant(const ChatInput& conversation) {
  const bj::object& last = conversation.messages.back().get_object();
  return last.at("role") == "assistant" && !last.contains("tool_calls");
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
  bj::object messages =
      ArraySchema("The conversation so far, rendered by the model's chat template.", ChatMessageSchema());
  messages["minItems"] = 1;
  messages["maxItems"] = kMaxMessages;
  return messages;
}

bj::object AddGenerationPromptSchema() {
  return BooleanSchema("Open the assistant's next message behind the last one.", true);
}

bj::object ContinueFinalMessageSchema() {
  return BooleanSchema(
      "Leave the last message open for the model to go on with it, as does an assistant's with prefix: true.", false);
}

bj::object ChatTemplateKwargsSchema() {
  return ObjectSchema(
      "More names for the template to see, such as enable_thinking; none of its own: messages, tools, "
      "add_generation_prompt, functions such as range.",
      {});
}

}  // namespace batucada
