#include "server/compat/anthropic.h"

#include <array>
#include <utility>

#include "server/common/asked_model.h"
#include "server/common/error.h"
#include "server/compat/compat.h"
#include "server/generate/prompt_encoder.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// Errors in the words of this API: its tools' schemas are input_schema.
absl::Status InOwnWords(const absl::Status& status) {
  std::string message(status.message());
  constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kNames = {
      {{".function.parameters", ".input_schema"}, {".function.", "."}}};
  for (const auto& [theirs, own] : kNames) {
    for (size_t at = message.find(theirs); at != message.npos; at = message.find(theirs, at + own.size())) {
      message.replace(at, theirs.size(), own);
    }
  }
  return WithAskedModel(WithParameter(absl::Status(status.code(), message), ErrorParameter(status), ErrorCode(status)),
                        AskedModel(status));
}

Answer HandleMessages(Service& service, const HttpRequest& request) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<CompletionParams> params = ParseMessages(MessagesCall::kCreate, request.body, &unknown);
  if (!params.ok()) params = InOwnWords(params.status());
  return Tell(service, request, "anthropic.messages", params, unknown, MakeMessagesDialect(), ErrorForm::kAnthropic);
}

Answer HandleCount(Service& service, const HttpRequest& request) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  const absl::StatusOr<CompletionParams> params = ParseMessages(MessagesCall::kCount, request.body, &unknown);
  if (!params.ok()) return ErrorResponse(InOwnWords(params.status()), ErrorForm::kAnthropic);
  const TranslationContext context = service.translation(request.client);
  if (const auto model = ResolveModel(params->model, context.model_names); !model.ok()) {
    return ErrorResponse(WithAskedModel(model.status(), params->model), ErrorForm::kAnthropic);
  }
  const absl::StatusOr<std::vector<int32_t>> ids =
      EncodeConversation(*params->conversation, "messages", {.add_special_tokens = false}, context);
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
