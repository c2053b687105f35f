#include "server/http/offload.h"

#include <exception>
#include <mutex>
#include <utility>

#include <spdlog/spdlog.h>

#include "server/error.h"
#include "server/generation_group.h"
#include "server/http/request_origin.h"

namespace batucada {
namespace {

// Between the pool's thread, which makes the answer, and the connection's, which waits for it.
class Handover {
 public:
  void OnReady(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
    if (answer_) wake_();
  }
  void Put(Answer answer) {
    const std::lock_guard lock(mutex_);
    if (abandoned_) return;
    answer_ = std::move(answer);
    if (wake_) wake_();  // under the lock, so that none comes after Abandon
  }
  std::optional<Answer> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(answer_, std::nullopt);
  }
  // The client is gone.
  void Abandon() {
    std::optional<Answer> unwanted;
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    wake_ = nullptr;
    unwanted = std::exchange(answer_, std::nullopt);
  }
  bool abandoned() {
    const std::lock_guard lock(mutex_);
    return abandoned_;
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::function<void()> wake_;
  std::optional<Answer> answer_;
  bool abandoned_ = false;
};

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

Answer Handle(const Handler& handler, HttpRequest request) {
  const std::string id = request.request_id;
  try {
    return handler(std::move(request));
  } catch (const std::exception& exception) {
    spdlog::error("a request ended by an exception: {} request_id={}", exception.what(), id);
    return ErrorResponse(absl::InternalError("the server failed to handle this request"));
  }
}

}  // namespace

Handler OffThread(Service& service, std::string api, Handler handler) {
  return [&service, api = std::move(api), handler = std::move(handler)](HttpRequest request) -> Answer {
    if (request.body.size() <= kInlineBodyBytes) return handler(std::move(request));
    auto handover = std::make_shared<Handover>();
    const auto bytes = static_cast<int64_t>(request.body.size());
    const RequestOrigin origin = OriginOf(request, api);
    // std::function wants to copy what it holds; the request itself is only moved.
    auto held = std::make_shared<HttpRequest>(std::move(request));
    const bool posted = service.workers.TryPost(bytes, [handover, held = std::move(held), handler] {
      if (!handover->abandoned()) handover->Put(Handle(handler, std::move(*held)));
    });
    if (posted) return std::make_unique<OffloadedAnswer>(std::move(handover));
    const absl::Status refusal =
        WithParameter(absl::ResourceExhaustedError("too many large requests wait to be tokenized: try again later"), "",
                      "text_queue_full");
    NoteRefusal(service, origin, refusal);
    return ErrorResponse(refusal);
  };
}

}  // namespace batucada
