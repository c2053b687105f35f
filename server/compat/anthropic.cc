#include "server/compat/anthropic.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "server/common/asked_model.h"
#include "server/common/error.h"
#include "server/compat/compat.h"
#include "server/generate/prompt_encoder.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// Where the model thinks between its calls, too, what it thinks may be more than one answer has room for.
bool ThinksBetweenCalls(const HttpRequest& request) {
  return request.Header("anthropic-beta").find("interleaved-thinking") != std::string_view::npos;
}

absl::Status CheckBudget(const CompletionParams& params) {
  if (!params.thinking_tokens || !params.max_tokens || *params.thinking_tokens < *params.max_tokens) {
    return absl::OkStatus();
  }
  return InvalidParameter("thinking.budget_tokens",
                          fmt::format("thinking.budget_tokens is {}: it must be less than max_tokens, which is {}",
                                      *params.thinking_tokens, *params.max_tokens));
}

Answer HandleMessages(Service& service, const HttpRequest& request) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<CompletionParams> params = ParseMessages(MessagesCall::kCreate, request.body, &unknown);
  if (params.ok() && !ThinksBetweenCalls(request)) {
    if (absl::Status sound = CheckBudget(*params); !sound.ok())
      params = WithAskedModel(std::move(sound), params->model);
  }
  return Tell(service, request, "anthropic.messages", params, unknown, MakeMessagesDialect(), ErrorForm::kAnthropic);
}

Answer HandleCount(Service& service, const HttpRequest& request) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  const absl::StatusOr<CompletionParams> params = ParseMessages(MessagesCall::kCount, request.body, &unknown);
  if (!params.ok()) return ErrorResponse(params.status(), ErrorForm::kAnthropic);
  const TranslationContext context = service.translation(request.client);
  if (const auto model = ResolveModel(params->model, context.model_names); !model.ok()) {
    return ErrorResponse(WithAskedModel(model.status(), params->model), ErrorForm::kAnthropic);
  }
  const absl::StatusOr<std::vector<int32_t>> ids =
      EncodeConversation(*params->conversation, params->names, {.add_special_tokens = false}, context);
  if (!ids.ok()) return ErrorResponse(ids.status(), ErrorForm::kAnthropic);
  HttpResponse response;
  JsonWriter(&response.body).BeginObject().Key("input_tokens").Int(static_cast<int64_t>(ids->size())).EndObject();
  return response;
}

}  // namespace

void AddAnthropic(RouteList& list) {
  const UnknownMembers::Policy unknown = list.service().config.unknown_members();
  list.AddSchema("AnthropicRequest", MessagesRequestSchema(MessagesCall::kCreate, unknown));
  list.AddSchema("AnthropicCountRequest", MessagesRequestSchema(MessagesCall::kCount, unknown));
  bj::object usage = ObjectSchema("", {{"input_tokens", IntegerSchema("Those of neither of the following.")},
                                       {"cache_creation_input_tokens",
                                        IntegerSchema("Those that a cache_control had kept, and that were not yet.")},
                                       {"cache_read_input_tokens", IntegerSchema("Those that were not again.")},
                                       {"output_tokens", IntegerSchema("")}});
  bj::object message = ObjectSchema(
      "", {{"id", StringSchema("")},
           {"type", StringSchema("message")},
           {"role", StringSchema("assistant")},
           {"model", StringSchema("")},
           {"content", ArraySchema("Blocks of the types text, thinking and tool_use.", ObjectSchema("", {}))},
           {"stop_reason", StringSchema("end_turn, max_tokens, stop_sequence or tool_use")},
           {"stop_sequence", Nullable(StringSchema(""))},
           {"usage", std::move(usage)}});
  message["required"] = bj::array{"id", "type", "role", "model", "content", "stop_reason", "usage"};
  list.AddSchema("AnthropicMessage", std::move(message));
  bj::object count = ObjectSchema("", {{"input_tokens", IntegerSchema("")}});
  count["required"] = bj::array{"input_tokens"};
  list.AddSchema("AnthropicCount", std::move(count));
  bj::object error =
      ObjectSchema("", {{"type", StringSchema("error")},
                        {"error", ObjectSchema("", {{"type", StringSchema("")}, {"message", StringSchema("")}})}});
  error["required"] = bj::array{"type", "error"};
  list.AddSchema("AnthropicError", std::move(error));
  list.Post("/v1/messages", "anthropic.messages", HandleMessages,
            {.summary = "Continue a conversation, as Anthropic's Messages API does",
             .request = "AnthropicRequest",
             .answer = "AnthropicMessage",
             .streams = OperationSpec::Streams::kIfAsked,
             .error_form = ErrorForm::kAnthropic});
  list.Post("/v1/messages/count_tokens", "anthropic.count_tokens", HandleCount,
            {.summary = "How many tokens a conversation has, tools and all",
             .request = "AnthropicCountRequest",
             .answer = "AnthropicCount",
             .error_form = ErrorForm::kAnthropic});
}

}  // namespace batucada
