#include "server/grpc/generation_call.h"

#include <utility>

#include "base/status.h"
#include "server/common/asked_model.h"
#include "server/generate/translate.h"
#include "server/grpc/generate_request.h"
#include "server/grpc/methods.h"
#include "server/grpc/offload.h"
#include "server/grpc/token_proto.h"

namespace batucada {
namespace {

absl::StatusOr<SubmittedGeneration> Submit(Service& service, absl::StatusOr<CompletionParams> params,
                                           const CallInfo& info, Reader reader) {
  const auto translate = [&]() -> absl::StatusOr<Translation> {
    BATUCADA_RETURN_IF_ERROR(params.status());
    params->deadline = info.deadline;
    return Translate(*params, service.translation(info.origin.client));
  };
  absl::StatusOr<Translation> translation = translate();
  if (!translation.ok()) {
    NoteRefusal(service, info.origin, translation.status());
    return translation.status();
  }
  SubmittedGeneration submitted{.choices = translation->choices(), .with_logprobs = params->logprobs.has_value()};
  if (translation->answer != nullptr && !translation->answer->plain()) submitted.form = translation->answer;
  const std::string echo = params->echo ? translation->prompt_text.front() : std::string();
  BATUCADA_ASSIGN_OR_RETURN(submitted.group,
                            GenerationGroup::Submit(service, *std::move(translation), info.origin, reader));
  if (params->echo) submitted.echo.assign(submitted.choices, echo);  // there is room for it: it has been charged
  return submitted;
}

template <typename Request>
absl::StatusOr<SubmittedGeneration> DecodeAndSubmit(Service& service, const WireMessage& message, const CallInfo& info,
                                                    Reader reader,
                                                    absl::StatusOr<CompletionParams> (*parse)(const Request&)) {
  MemoryCharge parsing;  // until the engine has what it takes
  const auto read = [&]() -> absl::StatusOr<CompletionParams> {
    Request request;
    BATUCADA_ASSIGN_OR_RETURN(parsing, DecodeCharged(service, message, &request));
    absl::StatusOr<CompletionParams> params = parse(request);
    return params.ok() ? std::move(params) : WithAskedModel(params.status(), request.model());
  };
  return Submit(service, read(), info, reader);
}

void SetUsage(const GenerationGroup& group, v1::Usage* usage) {
  usage->set_prompt_tokens(group.usage().prompt_tokens);
  usage->set_completion_tokens(group.usage().generated_tokens);
  usage->set_cached_tokens(group.usage().cached_tokens);
  usage->set_cache_write_tokens(group.usage().cache_write_tokens);
}

}  // namespace

absl::StatusOr<SubmittedGeneration> SubmitGenerateRequest(Service& service, const WireMessage& message,
                                                          const CallInfo& info, Reader reader) {
  return DecodeAndSubmit<v1::GenerateRequest>(service, message, info, reader, ParseGenerateRequest);
}

absl::StatusOr<SubmittedGeneration> SubmitChatRequest(Service& service, const WireMessage& message,
                                                      const CallInfo& info, Reader reader) {
  return DecodeAndSubmit<v1::ChatRequest>(service, message, info, reader, ParseChatRequest);
}

void GenerationCall::OnMessage(WireMessage message) {
  auto held = std::make_shared<WireMessage>(std::move(message));
  const absl::Status refusal = RunForCall<SubmittedGeneration>(
      service_, shared_from_this(), call(), *held,
      [held, &service = service_, submit = submit_, reader = reader_, info = info()] {
        return submit(service, *held, info, reader);
      },
      [this](absl::StatusOr<SubmittedGeneration> submitted) {
        if (!submitted.ok()) return call().Finish(submitted.status());
        generation_ = *std::move(submitted);
        Begin();
        generation_.group->OnReady(Waker());
      });
  if (!refusal.ok()) call().Finish(refusal);
}

void GenerationCall::Finish(const absl::Status& status) {
  const absl::Status said = status;  // often the group's own
  generation_.group.reset();
  call().Finish(said);
}

// --- Generate, Chat --------------------------------------------------------------------------------------------------

void StreamedGeneration::Begin() {
  if (generation().form == nullptr) return;
  for (size_t i = 0; i < generation().choices; ++i) answers_.emplace_back(generation().form);
}

void StreamedGeneration::Pump() {
  if (group() == nullptr || !call().drained()) return;
  std::vector<v1::GenerateResponse> ready;
  group()->Poll([&](size_t index, Update& update) {
    // The prompt's scores come with every choice; alone they say nothing new after the first.
    const bool repeats = index > 0 && update.text.empty() && update.tokens.empty() && !update.finish;
    if (!repeats || update.prompt_logprobs.empty()) ready.push_back(Take(index, update));
  });
  if (group()->done() && !ready.empty()) SetUsage(*group(), ready.back().mutable_usage());
  for (const v1::GenerateResponse& message : ready) call().Send(message);
  if (group()->done()) Finish(group()->failure());
}

v1::GenerateResponse StreamedGeneration::Take(size_t index, Update& update) {
  v1::GenerateResponse message;
  message.set_index(static_cast<int32_t>(index));
  std::vector<std::string>& echo = generation().echo;
  if (index < echo.size()) message.set_text(std::exchange(echo[index], {}));
  for (const TokenResult& token : update.tokens) ToProto(token, generation().with_logprobs, message.add_tokens());
  if (index == 0) {  // every choice scores the same prompt
    for (const TokenResult& token : update.prompt_logprobs) {
      ToProto(token, /*with_logprob=*/true, message.add_prompt_tokens());
    }
  }
  if (update.finish) SetFinish(*update.finish, &message);
  if (answers_.empty()) {
    message.mutable_text()->append(update.text);
  } else {
    answers_[index].Take(update.text, update.finish, &message);
  }
  return message;
}

// --- Complete --------------------------------------------------------------------------------------------------------

void WholeGeneration::Begin() {
  choices_.resize(generation().choices);
  std::vector<std::string>& echo = generation().echo;
  for (size_t i = 0; i < echo.size(); ++i) choices_[i].text = std::move(echo[i]);
}

void WholeGeneration::Take(size_t index, const Update& update) {
  Choice& choice = choices_[index];
  choice.text += update.text;
  v1::CompleteResponse::Choice part;
  for (const TokenResult& token : update.tokens) ToProto(token, generation().with_logprobs, part.add_tokens());
  if (update.finish) SetFinish(*update.finish, &part);
  choice.rest.Append(part);
  if (index > 0) return;  // every choice scores the same prompt
  v1::CompleteResponse scores;
  for (const TokenResult& token : update.prompt_logprobs) {
    ToProto(token, /*with_logprob=*/true, scores.add_prompt_tokens());
  }
  prompt_.Append(scores);
}

WirePieces WholeGeneration::TakeResponse() {
  WirePieces response = std::move(prompt_);
  for (Choice& choice : choices_) {
    v1::CompleteResponse::Choice text;
    text.set_text(std::move(choice.text));
    choice.rest.Append(text);
    response.AppendField(v1::CompleteResponse::kChoicesFieldNumber, std::move(choice.rest));
  }
  v1::CompleteResponse usage;
  SetUsage(*group(), usage.mutable_usage());
  response.Append(usage);
  return response;
}

void WholeGeneration::Pump() {
  if (group() == nullptr) return;
  if (!unsent_) {
    group()->Poll([this](size_t index, const Update& update) { Take(index, update); });
    if (!group()->done()) return;
    if (!group()->failure().ok()) return Finish(group()->failure());
    unsent_ = TakeResponse();
    call().SendFramed(unsent_->Head());
  }
  // Sending may end the call: then there is no group any more.
  for (bool first = true; group() != nullptr && !unsent_->empty() && (first || call().drained()); first = false) {
    call().SendFramed(unsent_->TakeFirst());
  }
  if (group() != nullptr && unsent_->empty()) Finish(absl::OkStatus());
}

}  // namespace batucada
