#include "server/open_inference/infer_answer.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "server/common/asked_model.h"
#include "server/generate/translate.h"

namespace batucada {

absl::StatusOr<std::unique_ptr<InferAnswer>> InferAnswer::Submit(Service& service, absl::StatusOr<InferRequest> request,
                                                                 InferCall call, RequestOrigin origin,
                                                                 absl::Time deadline) {
  std::unique_ptr<InferAnswer> answer(new InferAnswer());
  const auto translate = [&]() -> absl::StatusOr<Translation> {
    BATUCADA_RETURN_IF_ERROR(request.status());
    answer->id_ = std::move(request->id);
    BATUCADA_ASSIGN_OR_RETURN(answer->plan_, PlanInfer(*request, call));
    answer->plan_.params.deadline = std::min(deadline, ProcessNow() + answer->plan_.timeout);
    return Translate(answer->plan_.params, service.translation(origin.client));
  };
  absl::StatusOr<Translation> translation = translate();
  if (!translation.ok()) {
    const std::string_view model = request.ok() ? std::string_view(request->model) : std::string_view();
    NoteRefusal(service, origin, WithAskedModel(translation.status(), model));
    return translation.status();
  }
  answer->model_ = translation->model;
  const size_t choices = translation->choices();
  const std::string echo = answer->plan_.params.echo ? translation->prompt_text.front() : std::string();
  BATUCADA_ASSIGN_OR_RETURN(answer->group_,
                            GenerationGroup::Submit(service, *std::move(translation), std::move(origin),
                                                    answer->plan_.pieces ? Reader::kClient : Reader::kServer));
  answer->texts_.assign(choices, echo);  // there is room for it: it has been charged
  return answer;
}

void InferAnswer::Take(std::deque<InferResponse>* responses) {
  if (done()) return;
  group_->Poll([&](size_t index, Update& update) {
    texts_[index] += update.text;
    if (!plan_.pieces || (texts_[index].empty() && !update.finish)) return;
    const bool last = update.finish.has_value() && !plan_.empty_final_response;
    responses->push_back({.texts = {std::exchange(texts_[index], {})}, .last = last});
  });
  if (!done() || !failure().ok()) return;
  if (!plan_.pieces) responses->push_back({.texts = std::move(texts_), .last = !plan_.empty_final_response});
  if (plan_.empty_final_response) responses->push_back({.texts = {}, .last = true});
}

}  // namespace batucada
