#include "server/http/offload.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include <spdlog/spdlog.h>

#include "server/common/error.h"
#include "server/generate/estimate.h"
#include "server/generate/generation_group.h"
#include "server/generate/work_attempt.h"
#include "server/http/body_coding.h"
#include "server/http/handover.h"
#include "server/http/request_origin.h"

namespace batucada {
namespace {

class OffloadedAnswer : public LiveAnswer {
 public:
  explicit OffloadedAnswer(std::shared_ptr<Handover> handover) : handover_(std::move(handover)) {}
  ~OffloadedAnswer() override { handover_->Abandon(); }

  void OnReady(std::function<void()> wake) override {
    wake_ = wake;
    handover_->OnReady(std::move(wake));
  }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (inner_ == nullptr) {
      std::optional<Answer> answer = handover_->Take();
      if (!answer) return Progress::kWaiting;
      if (auto* response = std::get_if<HttpResponse>(&*answer)) {
        *head = std::move(*response);
        return Progress::kDone;
      }
      inner_ = std::get<std::unique_ptr<LiveAnswer>>(*std::move(answer));
      inner_->OnReady(wake_);
    }
    return inner_->Advance(head, body);
  }

  void KeepAlive(std::string* body) override {
    if (inner_ != nullptr) inner_->KeepAlive(body);
  }

 private:
  std::shared_ptr<Handover> handover_;
  std::function<void()> wake_;
  std::unique_ptr<LiveAnswer> inner_;  // once it is there
};

// `max_body_bytes`: of a body when it is decoded.
Answer Handle(Service& service, const RequestOrigin& origin, const LentHandler& handler, HttpRequest& request,
              size_t max_body_bytes) {
  const std::string id = request.request_id;
  const ErrorForm form = request.error_form;
  try {
    if (HasCodedBody(request)) {
      if (std::optional<HttpResponse> refusal = DecodeBody(&request, max_body_bytes)) return *std::move(refusal);
      if (WorkAttempt::Defer(WorkBytes(request.body))) return HttpResponse{};
    }
    // Here rather than on arrival: only what is being read takes it, a few requests at a time.
    const absl::StatusOr<MemoryCharge> parsing =
        service.memory.Charge(MemoryPart::kParsing, ParsingBytes(request.body));
    if (!parsing.ok()) {
      NoteRefusal(service, origin, parsing.status());
      return ErrorResponse(parsing.status(), form);
    }
    return handler(request);
  } catch (const std::bad_alloc&) {
    NoteRefusal(service, origin, OutOfMemory());
    return ErrorResponse(OutOfMemory(), form);
  } catch (const std::exception& exception) {
    spdlog::error("a request ended by an exception: {} request_id={}", exception.what(), id);
    return ErrorResponse(absl::InternalError("the server failed to handle this request"), form);
  }
}

}  // namespace

Handler OffThread(Service& service, std::string api, LentHandler handler, Offload when) {
  return [&service, api = std::move(api), handler = std::move(handler), when](HttpRequest request) -> Answer {
    const bool coded = HasCodedBody(request);
    int64_t deferred = 0;
    if (request.body.size() <= kInlineBodyBytes && !coded && when == Offload::kIfLarge) {
      const WorkAttempt attempt(kInlineBodyBytes);
      Answer answer = handler(request);
      if (!attempt.deferred()) return answer;
      deferred = attempt.deferred_bytes();
    }
    auto handover = std::make_shared<Handover>();
    const auto limit = service.config.http.max_body_bytes;
    const auto size = std::max<int64_t>(static_cast<int64_t>(request.body.size()), kInlineBodyBytes);
    const int64_t bytes = std::max({size, deferred, coded ? 0 : WorkBytes(request.body)});
    const RequestOrigin origin = OriginOf(request, api);
    const ErrorForm form = request.error_form;
    // std::function wants to copy what it holds; the request itself is only moved.
    auto held = std::make_shared<HttpRequest>(std::move(request));
    const absl::Status refusal = PostAttempt(
        when == Offload::kAlways ? service.store_workers : service.workers, origin.client, bytes,
        [&service, origin, handover, held = std::move(held), handler, limit] {
          if (handover->abandoned()) return;
          Answer answer = Handle(service, origin, handler, *held, static_cast<size_t>(limit));
          if (!WorkAttempt::Void()) handover->Put(std::move(answer));
        },
        [&service, origin, handover, form](const absl::Status& why) {
          if (handover->Put(ErrorResponse(why, form))) NoteRefusal(service, origin, why);
        });
    if (refusal.ok()) return std::make_unique<OffloadedAnswer>(std::move(handover));
    NoteRefusal(service, origin, refusal);
    return ErrorResponse(refusal, form);
  };
}

}  // namespace batucada
