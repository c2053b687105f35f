#include "server/openai/chat_request.h"

#include <utility>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/generate/translate.h"
#include "server/openai/conversation.h"
#include "server/openai/grammar_parameters.h"
#include "server/openai/known_parameters.h"
#include "server/openai/reasoning_parameters.h"
#include "server/openai/tool_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = CompletionParams;

// The older max_tokens and the newer name of the same.
void ReadMaxTokens(RequestReader& reader, Params& params) {
  std::optional<int64_t> newer;
  reader.Read("max_tokens", &params.max_tokens);
  reader.Read("max_completion_tokens", &newer);
  // As llama.cpp's clients write that there is no bound.
  if (params.max_tokens == -1) params.max_tokens.reset();
  if (newer == -1) newer.reset();
  if (!newer) return;
  if (params.max_tokens && *params.max_tokens != *newer) {
    return reader.Fail(
        "max_tokens",
        fmt::format("is {} and max_completion_tokens is {}: give one of them", *params.max_tokens, *newer),
        "invalid_value");
  }
  params.max_tokens = newer;
  params.names.max_tokens = "max_completion_tokens";
}

bj::object MaxTokensSchema(std::string_view description) {
  return AnyOfSchema(description, {IntegerSchema("", {.min = -1, .max = -1}), IntegerSchema("", {.min = 1})});
}

// A flag, and how many alternatives beside each token: one number everywhere else.
void ReadChatLogprobs(RequestReader& reader, Params& params) {
  bool wanted = false;
  std::optional<int64_t> top;
  reader.Read("logprobs", &wanted);
  reader.Read("top_logprobs", &top);
  if (top && *top != 0 && !wanted) {
    return reader.Fail("top_logprobs", "is only allowed with \"logprobs\": true", "invalid_value");
  }
  if (wanted) params.logprobs = top.value_or(0);
}

CompletionTable MakeChatTable() {
  CompletionTable table;
  AddConversation(table, &Params::conversation, CompletionTable::Presence::kRequired);
  AddToolParameters(table);
  AddReasoningParameters(table);
  table.AddReadPresent(
      "max_completion_tokens",
      MaxTokensSchema("Tokens to generate at most. Default, and -1: --default-max-tokens, or as many as there is room "
                      "for."),
      ReadMaxTokens);
  table.AddBeside("max_tokens", MaxTokensSchema("The older name of max_completion_tokens."), "max_completion_tokens");
  AddGenerationParameters(table);
  AddGrammarParameters(table);
  table.AddReadPresent("logprobs", BooleanSchema("Report the log-probability of every generated token.", false),
                       ReadChatLogprobs);
  table.AddBeside("top_logprobs",
                  IntegerSchema("And so many of the most likely tokens. Only with \"logprobs\": true.",
                                {.min = 0, .max = kMaxLogprobs}),
                  "logprobs");
  table.Add(
      "add_special_tokens",
      BooleanSchema("Put the model's start token before what the chat template makes, which mostly has one.", false),
      &Params::add_special_tokens);
  table.Add("echo", BooleanSchema("The answer begins with the final message, if that is the assistant's.", false),
            &Params::echo_message);
  AddKnownParameters(KnownParameters(), table);
  AddKnownParameters(OpenAiParameters(), table);
  return table;
}

}  // namespace

const CompletionTable& ChatParameters() {
  static const CompletionTable table = MakeChatTable();
  return table;
}

absl::StatusOr<CompletionParams> ParseChatRequest(std::string_view body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(CompletionParams params, ChatParameters().Parse(body, unknown));
  params.names.prompt = "messages";
  params.names.logprobs = "top_logprobs";
  if (!params.conversation) {
    return InvalidParameter("messages", "messages is missing: give a list of messages", "missing_parameter");
  }
  return params;
}

}  // namespace batucada
