#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/grpc/generate_request.h"
#include "server/openai/conversation.h"
#include "server/openai/reasoning_parameters.h"
#include "server/openai/tool_parameters.h"

namespace batucada {
namespace {

constexpr size_t kMaxParametersBytes = size_t{2} << 20;  // of all tools: read, they hold many times as much

absl::StatusOr<boost::json::value> ReadJson(const std::string& name, std::string_view text) {
  absl::StatusOr<boost::json::value> value = ParseJson(text, name);
  if (value.ok()) return value;
  const std::string_view why(value.status().message().data(), value.status().message().size());
  return InvalidParameter(name, std::string(why), "invalid_value");
}

// In the form that HTTP's clients and templates have.
absl::Status ReadTools(const v1::ChatRequest& request, RequestReader& reader, CompletionParams& params) {
  if (static_cast<size_t>(request.tools_size()) > kMaxTools) {
    return InvalidParameter("tools", fmt::format("tools has {} tools: at most {}", request.tools_size(), kMaxTools));
  }
  boost::json::array tools;
  size_t bytes = 0;
  for (const v1::Tool& tool : request.tools()) {
    const v1::Tool::Function& given = tool.function();
    if ((bytes += given.parameters().size()) > kMaxParametersBytes) {
      return InvalidParameter("tools", fmt::format("tools has parameters of more than {} bytes", kMaxParametersBytes));
    }
    boost::json::object function = {{"name", given.name()}};
    if (!given.description().empty()) function["description"] = given.description();
    if (!given.parameters().empty()) {
      const std::string name = fmt::format("tools[{}].function.parameters", tools.size());
      BATUCADA_ASSIGN_OR_RETURN(function["parameters"], ReadJson(name, given.parameters()));
    }
    if (given.strict()) function["strict"] = true;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  ToolChoice choice = {.parameter = "tool_choice"};
  switch (request.tool_choice().use()) {
    case v1::TOOL_USE_AUTO: break;
    case v1::TOOL_USE_NONE: choice.mode = ToolChoice::Mode::kNone; break;
    case v1::TOOL_USE_REQUIRED: choice.mode = ToolChoice::Mode::kRequired; break;
    default:
      return InvalidParameter("tool_choice.use",
                              fmt::format("tool_choice.use is {}, which is no ToolUse of this version",
                                          static_cast<int>(request.tool_choice().use())));
  }
  const auto& names = request.tool_choice().names();
  choice.names.assign(names.begin(), names.end());
  if (!names.empty()) choice.parameter = "tool_choice.names";
  SetTools(reader, tools, choice, !request.has_parallel_tool_calls() || request.parallel_tool_calls(), params);
  return absl::OkStatus();
}

void ReadThinking(const v1::ChatRequest& request, RequestReader& reader, CompletionParams& params) {
  const v1::ThinkingOptions& thinking = request.thinking();
  if (thinking.enabled() && thinking.effort() == "none")
    return FailContradiction(reader, "thinking.enabled", "thinking.effort");
  if (thinking.has_enabled()) SetThinking("thinking.enabled", thinking.enabled(), params);
  SetEffort(reader, "thinking.effort", thinking.effort(), params);
  params.tells_thinking = !thinking.hidden();
  if (!thinking.has_max_tokens()) return;
  if (thinking.max_tokens() < 0) return reader.Fail("thinking.max_tokens", "must be at least 0", "invalid_value");
  params.thinking_tokens = thinking.max_tokens();
}

}  // namespace

absl::StatusOr<CompletionParams> ParseChatRequest(const v1::ChatRequest& request) {
  BATUCADA_ASSIGN_OR_RETURN(CompletionParams params, ReadCommon(request));
  params.names.prompt = "messages";
  if (params.echo) {
    return InvalidParameter("output.echo", "output.echo is true: a conversation cannot be echoed", "invalid_value");
  }
  if (!v1::ConversationEnding_IsValid(request.ending())) {
    return InvalidParameter("ending", fmt::format("ending is {}, which is no ConversationEnding of this version",
                                                  static_cast<int>(request.ending())));
  }
  if (static_cast<size_t>(request.messages_size()) > kMaxMessages) {
    return InvalidParameter("messages",
                            fmt::format("messages has {} messages: at most {}", request.messages_size(), kMaxMessages));
  }
  // Conversations are read and checked in one place, in the form that templates take them.
  boost::json::array messages;
  for (const v1::ChatMessage& message : request.messages()) {
    boost::json::object& made = messages.emplace_back(boost::json::object()).as_object();
    made["role"] = message.role();
    made["content"] = message.content();
    if (message.has_name()) made["name"] = message.name();
    if (message.has_tool_call_id()) made["tool_call_id"] = message.tool_call_id();
    if (message.has_reasoning_content()) made["reasoning_content"] = message.reasoning_content();
    boost::json::array calls;
    for (const v1::ToolCall& call : message.tool_calls()) {
      if (call.name().empty()) {  // which is no member of a function on this wire
        const std::string name = fmt::format("messages[{}].tool_calls[{}].name", messages.size() - 1, calls.size());
        return InvalidParameter(name, name + " is missing", "missing_parameter");
      }
      calls.push_back({{"id", call.id()},
                       {"type", "function"},
                       {"function", {{"name", call.name()}, {"arguments", call.arguments()}}}});
    }
    if (calls.empty()) continue;
    if (message.content().empty()) made["content"] = nullptr;
    made["tool_calls"] = std::move(calls);
  }
  const bool continues = request.ending() == v1::CONVERSATION_ENDING_CONTINUE_FINAL_MESSAGE;
  boost::json::object object = {
      {"messages", std::move(messages)},
      {"add_generation_prompt", request.ending() == v1::CONVERSATION_ENDING_GENERATION_PROMPT},
      {"continue_final_message", continues}};
  if (!request.chat_template_kwargs().empty()) {
    BATUCADA_ASSIGN_OR_RETURN(object["chat_template_kwargs"],
                              ReadJson("chat_template_kwargs", request.chat_template_kwargs()));
  }
  RequestReader reader(object, "");
  ReadConversation(reader, &params.conversation);
  if (reader.ok() && params.conversation) {
    BATUCADA_RETURN_IF_ERROR(ReadTools(request, reader, params));
    ReadThinking(request, reader, params);
  }
  BATUCADA_RETURN_IF_ERROR(reader.Finish());
  return params;
}

}  // namespace batucada
