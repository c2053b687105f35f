#include "server/responses/create_response.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/json/serialize.hpp>

#include "absl/time/clock.h"
#include "base/status.h"
#include "server/common/asked_model.h"
#include "server/common/error.h"
#include "server/generate/generation_group.h"
#include "server/generate/prompt_encoder.h"
#include "server/generate/translate.h"
#include "server/generate/work_attempt.h"
#include "server/http/request_origin.h"
#include "server/json/json_writer.h"
#include "server/responses/background_run.h"
#include "server/responses/items.h"
#include "server/responses/response_answer.h"
#include "server/responses/response_context.h"
#include "server/responses/response_request.h"
#include "server/responses/response_run.h"
#include "server/responses/response_tools.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// What the model is given.
void SetMessages(bj::array messages, ResponseParams& params) {
  if (!params.instructions.empty()) {
    bj::object system = {{"role", "system"}, {"content", bj::string(params.instructions)}};
    messages.insert(messages.begin(), std::move(system));
  }
  params.conversation->messages = std::move(messages);  // with its tools and variables
  params.conversation->ending = ChatEnding::kGenerationPrompt;
}

// Without the first `dropped` messages and the outputs of calls that stood there. REQUIRES: a message that is no output
// of a call stays.
absl::StatusOr<Translation> TranslateWithout(size_t dropped, const bj::array& messages, ResponseParams& params,
                                             const TranslationContext& context) {
  while (dropped > 0 && messages[dropped].at("role") == "tool") ++dropped;
  SetMessages(bj::array(messages.begin() + static_cast<std::ptrdiff_t>(dropped), messages.end()), params);
  return Translate(params, context);
}

// With "truncation": "auto", as many of the latest messages as there is room for, but the last one in any case, and
// where that is the output of a call, the call too.
absl::StatusOr<Translation> TranslateWhatFits(bj::array messages, ResponseParams& params,
                                              const TranslationContext& context) {
  if (!params.drops_oldest) {
    SetMessages(std::move(messages), params);
    return Translate(params, context);
  }
  absl::StatusOr<Translation> translation = TranslateWithout(0, messages, params, context);
  const auto too_long = [&translation] { return ErrorCode(translation.status()) == "context_length_exceeded"; };
  if (!too_long()) return translation;
  size_t least = 1, most = messages.size() - 1;  // how many to drop
  while (most > 0 && messages[most].at("role") == "tool") --most;
  if (most < least) return translation;
  while (least < most) {
    const size_t middle = (least + most) / 2;
    translation = TranslateWithout(middle, messages, params, context);
    too_long() ? least = middle + 1 : most = middle;
  }
  return TranslateWithout(least, messages, params, context);
}

int64_t PromptBytes(const ResponseParams& params) {
  auto bytes = static_cast<int64_t>(params.instructions.size());
  for (const StoredItem& item : params.input) bytes += static_cast<int64_t>(item.id.size() + item.json.size());
  if (params.tools) bytes += static_cast<int64_t>(bj::serialize(params.tools->tools).size());
  return 3 * bytes;  // the input once, and what the response repeats in the object, as it began and for the store
}

absl::StatusOr<ResponseDraft> MakeDraft(Service& service, const Client& client, ResponseParams params,
                                        const ResponseContext& context, const Translation& translation) {
  ResponseDraft draft;
  BATUCADA_ASSIGN_OR_RETURN(draft.memory, service.memory.Charge(MemoryPart::kPrompt, PromptBytes(params)));
  draft.scope = client.key;
  draft.client = client;
  draft.form = {.logprobs = params.logprobs.has_value(), .summary = params.summarises};
  draft.answer = translation.answer;
  draft.object = {.id = NewId("resp_"),
                  .created = absl::ToUnixSeconds(absl::Now()),
                  .model = translation.model,
                  .temperature = translation.temperature,
                  .top_p = translation.top_p,
                  .max_output_tokens = params.max_tokens,
                  .previous_response_id = params.previous_response_id,
                  .conversation_id = params.conversation_id,
                  .told = std::move(params.told),
                  .background = params.background,
                  .failure = {},
                  .usage = {},
                  .reasoning_tokens = 0,
                  .store = params.store,
                  .store_failure = {}};
  draft.record = {.id = draft.object.id,
                  .json = {},
                  .previous = params.previous_response_id,
                  .conversation = params.conversation_id,
                  .history = context.history,
                  .input = std::move(params.input),
                  .output = {},
                  .state = ResponseState::kRunning};
  return draft;
}

absl::StatusOr<Answer> Create(Service& service, const HttpRequest& request, const RequestOrigin& origin,
                              ResponseParams params, Headers headers) {
  const TranslationContext translating = service.translation(request.client);
  BATUCADA_ASSIGN_OR_RETURN(const ResponseContext context, ReadContext(service, request.client, &params));
  BATUCADA_ASSIGN_OR_RETURN(bj::array messages, MessagesOf(context, params));
  absl::StatusOr<Translation> translation = TranslateWhatFits(std::move(messages), params, translating);
  if (!translation.ok()) return WithAskedModel(translation.status(), params.model);
  const bool streams = params.stream;
  BATUCADA_ASSIGN_OR_RETURN(ResponseDraft draft,
                            MakeDraft(service, request.client, std::move(params), context, *translation));
  if (draft.object.background) {
    // Before it begins, so that whoever is told its id finds it, also after a restart.
    StoredResponse begun = draft.record;
    begun.json = draft.object.Json();
    const absl::Status kept = service.store->PutResponse(draft.scope, begun);
    if (!kept.ok()) return StoreFailure(kept);
  }
  absl::StatusOr<std::unique_ptr<GenerationGroup>> group =
      GenerationGroup::Submit(service, *std::move(translation), origin,
                              streams && !draft.object.background ? Reader::kClient : Reader::kServer);
  if (!group.ok()) {  // noted by the group
    if (draft.object.background) service.store->DeleteResponse(draft.scope, draft.object.id).IgnoreError();
    return ErrorResponse(group.status());
  }
  auto run = std::make_unique<ResponseRun>(service, std::move(draft), *std::move(group));
  if (run->object().background) {
    HttpResponse begun = JsonResponse(run->begun());
    begun.headers = std::move(headers);
    RunInBackground(service, std::move(run));
    return begun;
  }
  if (streams) return MakeStreamedResponse(std::move(run), std::move(headers));
  return MakeWholeResponse(std::move(run), std::move(headers));
}

absl::StatusOr<int64_t> CountInput(Service& service, const HttpRequest& request, ResponseParams params) {
  const TranslationContext context = service.translation(request.client);
  if (const auto model = ResolveModel(params.model, context.model_names); !model.ok()) {
    return WithAskedModel(model.status(), params.model);
  }
  BATUCADA_ASSIGN_OR_RETURN(const ResponseContext before, ReadContext(service, request.client, &params));
  BATUCADA_ASSIGN_OR_RETURN(bj::array messages, MessagesOf(before, params));
  SetMessages(std::move(messages), params);
  const absl::StatusOr<std::vector<int32_t>> ids =
      EncodeConversation(*params.conversation, params.names, {.add_special_tokens = false}, context);
  if (!ids.ok()) return ids.status();
  return static_cast<int64_t>(ids->size());
}

}  // namespace

Answer HandleCountInput(Service& service, const HttpRequest& request) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<ResponseParams> params = ParseResponseRequest(request.body, &unknown);
  if (!params.ok()) return ErrorResponse(params.status());
  const absl::StatusOr<int64_t> tokens = CountInput(service, request, *std::move(params));
  if (!tokens.ok()) return ErrorResponse(tokens.status());
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("object").String("response.input_tokens").Key("input_tokens").Int(*tokens).EndObject();
  if (unknown.ignored > 0) response.headers.emplace_back(kIgnoredParameters, unknown.List());
  return response;
}

Answer HandleCreateResponse(Service& service, const HttpRequest& request) {
  const RequestOrigin origin = OriginOf(request, "responses");
  const auto refuse = [&](const absl::Status& status) -> Answer {
    NoteRefusal(service, origin, status);
    return ErrorResponse(status);
  };
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<ResponseParams> params = ParseResponseRequest(request.body, &unknown);
  if (!params.ok()) return refuse(params.status());
  Headers headers;
  if (unknown.ignored > 0) headers.emplace_back(kIgnoredParameters, unknown.List());
  absl::StatusOr<Answer> answer = Create(service, request, origin, *std::move(params), std::move(headers));
  if (!WorkAttempt::Void()) service.metrics.OnIgnoredParameters(unknown.ignored);
  return answer.ok() ? *std::move(answer) : refuse(answer.status());
}

}  // namespace batucada
