#include "server/compat/ollama_chat.h"

#include <deque>
#include <functional>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "server/openai/conversation.h"
#include "server/openai/reasoning_parameters.h"
#include "server/openai/tool_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// Calls that wait for their results. Nine letters and digits, for Ollama's clients may know no ids, and Mistral's
// templates take no others.
class PastCalls {
 public:
  // Gives the calls of a message ids, where they have none, and the form of OpenAI's.
  void Name(bj::array& calls) {
    for (bj::value& one : calls) {
      bj::object* call = one.if_object();
      if (call == nullptr) continue;
      call->emplace("type", "function");
      const bj::value* id = call->if_contains("id");
      if (id == nullptr || id->is_null() || (id->is_string() && id->get_string().empty())) {
        (*call)["id"] = bj::string(fmt::format("call{:05}", ++named_ % 100'000));
      }
      id = call->if_contains("id");
      if (!id->is_string()) continue;  // which is refused
      const bj::value* function = call->if_contains("function");
      const bj::value* name =
          function != nullptr && function->is_object() ? function->get_object().if_contains("name") : nullptr;
      const int64_t number = next_++;
      if (name != nullptr && name->is_string()) by_name_[name->get_string()].push_back(number);
      waiting_.emplace(number, id->get_string());
    }
  }

  // The id of the call whose result a message of the role tool is, if it does not say so itself: the first of its name
  // that waits, or else the first of all.
  void Answer(bj::object& message) {
    auto found = waiting_.end();
    const bj::value* name = message.if_contains("name");
    const auto of_name = name != nullptr && name->is_string() ? by_name_.find(name->get_string()) : by_name_.end();
    while (of_name != by_name_.end() && !of_name->second.empty() && found == waiting_.end()) {
      found = waiting_.find(of_name->second.front());  // none if it was taken as the first of all
      of_name->second.pop_front();
    }
    if (found == waiting_.end()) found = waiting_.begin();
    if (found == waiting_.end()) return;
    message.emplace("tool_call_id", found->second);
    waiting_.erase(found);
  }

 private:
  int64_t named_ = 0, next_ = 0;
  std::map<int64_t, bj::string> waiting_;                           // ids, in order
  std::map<bj::string, std::deque<int64_t>, std::less<>> by_name_;  // in order; some may wait no longer
};

void Rename(bj::object& message, const char* own, const char* name) {
  const auto found = message.find(own);
  if (found == message.end()) return;
  // Out of the object first: to add a member may move all that are there.
  bj::value value = std::move(found->value());
  message.erase(found);
  if (!value.is_null()) message.emplace(name, std::move(value));
}

bool IsEmptyList(const bj::value* value) {
  return value != nullptr && (value->is_null() || (value->is_array() && value->get_array().empty()));
}

}  // namespace

void ReadOllamaMessages(RequestReader& reader, std::optional<ChatInput>* conversation) {
  bj::object changed;
  for (const char* name : {"messages", "add_generation_prompt", "continue_final_message", "chat_template_kwargs"}) {
    if (const bj::value* value = reader.Take(name)) changed[name] = *value;
  }
  PastCalls calls;
  bj::value* list = changed.if_contains("messages");
  if (list != nullptr && list->is_array()) {
    for (bj::value& one : list->get_array()) {
      bj::object* message = one.if_object();
      if (message == nullptr) continue;
      Rename(*message, "thinking", "reasoning_content");
      Rename(*message, "tool_name", "name");
      if (IsEmptyList(message->if_contains("images"))) message->erase("images");
      if (IsEmptyList(message->if_contains("tool_calls"))) message->erase("tool_calls");
      bj::value* past = message->if_contains("tool_calls");
      if (past != nullptr && past->is_array()) calls.Name(past->get_array());
      const bj::value* role = message->if_contains("role");
      if (role != nullptr && *role == "tool" && !message->contains("tool_call_id")) calls.Answer(*message);
    }
  }
  const bool says = changed.contains("add_generation_prompt") || changed.contains("continue_final_message");
  RequestReader members(changed, "", reader);
  ReadConversation(members, conversation);
  reader.Fail(members.status());
  // As Ollama's templates have it, what the assistant said last it goes on with.
  if (!says && *conversation && EndsWithAssistant(**conversation) && !FinalAssistantText(**conversation).empty()) {
    (*conversation)->ending = ChatEnding::kContinueFinalMessage;
  }
}

void ReadOllamaTools(RequestReader& reader, CompletionParams& params) {
  const bj::value* tools = reader.Take("tools");
  if (tools == nullptr || !reader.ok() || !params.conversation) return;
  if (!tools->is_array()) {
    return reader.Fail("tools", fmt::format("must be a list of tools, not {}", DescribeJson(*tools)));
  }
  SetTools(reader, tools->get_array(), {.parameter = "tools"}, true, params);
}

OllamaThinking ReadOllamaThink(RequestReader& reader) {
  constexpr const char* kName = "think";
  OllamaThinking asked;
  const bj::value* value = reader.Take(kName);
  if (value == nullptr) return asked;
  if (const bj::string* effort = value->if_string()) {
    asked.effort = {effort->data(), effort->size()};
    if (asked.effort != "low" && asked.effort != "medium" && asked.effort != "high") {
      reader.Fail(kName, "must be true, false, or one of low, medium, high", "invalid_value");
    }
  } else {
    reader.Read(kName, &asked.on);
  }
  return asked;
}

void SetOllamaThinking(const OllamaThinking& asked, CompletionParams& params) {
  if (!asked.effort.empty()) params.conversation->thinking.emplace("reasoning_effort", bj::string(asked.effort));
  if (asked.on || !asked.effort.empty()) SetThinking("think", asked.on.value_or(true), params);
}

}  // namespace batucada
