#include "server/openai/completions.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "server/common/error.h"
#include "server/common/request_id.h"
#include "server/generate/generation_group.h"
#include "server/http/request_origin.h"
#include "server/openai/chat_choice.h"
#include "server/openai/chat_request.h"
#include "server/openai/completion_choice.h"
#include "server/openai/completion_request.h"
#include "server/openai/conversation.h"
#include "server/openai/generation_answer.h"

namespace batucada {
namespace {

// The text of each prompt, where choices begin with it; they share it.
using Echoes = std::vector<std::shared_ptr<const std::string>>;

// What differs between the two endpoints.
struct Endpoint {
  std::string api;  // in the log
  absl::StatusOr<CompletionParams> (*parse)(std::string_view body, UnknownMembers* unknown);
  std::string_view id_prefix, whole_object, streamed_object;
  std::unique_ptr<Choice> (*make_choice)(size_t index, const CompletionParams& params, const Translation& translation,
                                         const Echoes& echoes, const Tokenizer& tokenizer);
};

ChoiceOptions OptionsOf(const CompletionParams& params) {
  return {.logprobs = params.logprobs.has_value(),
          .prompt_logprobs = params.prompt_logprobs.has_value(),
          .echo = params.echo,
          .return_token_ids = params.return_token_ids,
          .tokens_as_ids = params.return_tokens_as_token_ids,
          .special_tokens = !params.skip_special_tokens};
}

std::unique_ptr<Choice> MakeCompletionChoice(size_t index, const CompletionParams& params,
                                             const Translation& translation, const Echoes& echoes,
                                             const Tokenizer& tokenizer) {
  const size_t prompt = translation.PromptOf(index);
  ChoiceOptions options = OptionsOf(params);
  options.echoes_text = params.echo && EchoesText(params, prompt);
  if (options.echoes_text && params.add_special_tokens.value_or(true)) {
    options.added_before = tokenizer.affixes().before.size();
    options.added_after = tokenizer.affixes().after.size();
  }
  return std::make_unique<CompletionChoice>(static_cast<int64_t>(index), options, tokenizer,
                                            translation.requests[prompt].prompt,
                                            params.echo ? echoes[prompt] : nullptr);
}

std::unique_ptr<Choice> MakeChatChoice(size_t index, const CompletionParams& params, const Translation& translation,
                                       const Echoes&, const Tokenizer& tokenizer) {
  const bool keep_prompt = params.return_token_ids && index == 0;
  ChoiceOptions options = OptionsOf(params);
  options.prompt_logprobs &= index == 0;  // the first tells of the prompt
  return std::make_unique<ChatChoice>(
      static_cast<int64_t>(index), params.stream ? ChatChoice::Form::kStreamed : ChatChoice::Form::kWhole, options,
      tokenizer, keep_prompt ? translation.requests.front().prompt : SharedArray<int32_t>(),
      params.echo_message ? FinalAssistantText(*params.conversation) : std::string(), translation.answer);
}

UsageEvents UsageOf(const CompletionParams& params) {
  if (!params.include_usage) return UsageEvents::kNone;
  return params.continuous_usage ? UsageEvents::kEvery : UsageEvents::kLast;
}

// What the head of the answer says beside what all answers do.
Headers HeadersOf(const HttpRequest& request, const RequestOrigin& origin, const UnknownMembers& unknown) {
  Headers headers;
  if (unknown.ignored > 0) headers.emplace_back(kIgnoredParameters, unknown.List());
  if (origin.request_id != request.request_id) headers.emplace_back("x-request-id", origin.request_id);
  return headers;
}

absl::StatusOr<std::unique_ptr<LiveAnswer>> Generate(Service& service, RequestOrigin origin,
                                                     const CompletionParams& params, const Endpoint& endpoint,
                                                     Translation translation, Headers headers) {
  Echoes echoes;
  for (const std::string& text : translation.prompt_text) {
    echoes.push_back(std::make_shared<const std::string>(text));
  }
  Choices choices;
  choices.reserve(translation.choices());
  std::vector<int64_t> prompt_tokens;  // of each choice, for continuous usage
  prompt_tokens.reserve(translation.choices());
  for (size_t i = 0; i < translation.choices(); ++i) {
    choices.push_back(endpoint.make_choice(i, params, translation, echoes, service.engine.tokenizer()));
    prompt_tokens.push_back(static_cast<int64_t>(translation.requests[translation.PromptOf(i)].prompt.size()));
  }
  Envelope envelope = {.id = Concat(endpoint.id_prefix, origin.request_id),
                       .object = params.stream ? endpoint.streamed_object : endpoint.whole_object,
                       .created = absl::ToUnixSeconds(absl::Now()),
                       .model = translation.model,
                       .fingerprint = service.fingerprint,
                       .headers = std::move(headers)};
  const Selection selection = {.per_prompt = translation.choices_per_prompt, .keep = translation.kept_per_prompt};
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<GenerationGroup> group,
                            GenerationGroup::Submit(service, std::move(translation), std::move(origin),
                                                    params.stream ? Reader::kClient : Reader::kServer));
  if (!params.stream) {
    return MakeWholeAnswer(std::move(group), std::move(choices), std::move(envelope), selection);
  }
  return MakeStreamedAnswer(std::move(group), std::move(choices), std::move(envelope), UsageOf(params),
                            std::move(prompt_tokens));
}

absl::Status CheckStream(const CompletionParams& params) {
  if (!params.stream || !params.prompt_logprobs) return absl::OkStatus();
  return InvalidParameter("prompt_logprobs",
                          "prompt_logprobs is not available with \"stream\": true: leave one of them out",
                          "unsupported_parameter");
}

Answer Handle(Service& service, const HttpRequest& request, const Endpoint& endpoint) {
  RequestOrigin origin = OriginOf(request, endpoint.api);
  const auto refuse = [&](const absl::Status& status) -> Answer {
    NoteRefusal(service, origin, status);
    return ErrorResponse(status);
  };
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  const absl::StatusOr<CompletionParams> params = endpoint.parse(request.body, &unknown);
  if (!params.ok()) return refuse(params.status());
  if (const absl::Status status = CheckStream(*params); !status.ok()) return refuse(status);
  // A header is what proxies and logs on the way know the request by.
  if (!params->request_id.empty() && !IsSoundRequestId(request.Header("x-request-id"))) {
    origin.request_id = params->request_id;
  }
  absl::StatusOr<Translation> translation = Translate(*params, service.translation(request.client));
  if (!translation.ok()) return refuse(translation.status());
  service.metrics.OnIgnoredParameters(unknown.ignored);
  Headers headers = HeadersOf(request, origin, unknown);
  absl::StatusOr<std::unique_ptr<LiveAnswer>> answer =
      Generate(service, std::move(origin), *params, endpoint, *std::move(translation), std::move(headers));
  if (!answer.ok()) return ErrorResponse(answer.status());  // noted by the group
  return *std::move(answer);
}

}  // namespace

Answer HandleCompletions(Service& service, const HttpRequest& request) {
  static const Endpoint endpoint = {.api = "completions",
                                    .parse = ParseCompletionRequest,
                                    .id_prefix = "cmpl-",
                                    .whole_object = "text_completion",
                                    .streamed_object = "text_completion",
                                    .make_choice = MakeCompletionChoice};
  return Handle(service, request, endpoint);
}

Answer HandleChatCompletions(Service& service, const HttpRequest& request) {
  static const Endpoint endpoint = {.api = "chat.completions",
                                    .parse = ParseChatRequest,
                                    .id_prefix = "chatcmpl-",
                                    .whole_object = "chat.completion",
                                    .streamed_object = "chat.completion.chunk",
                                    .make_choice = MakeChatChoice};
  return Handle(service, request, endpoint);
}

}  // namespace batucada
