#include "server/responses/response_answer.h"

#include <optional>
#include <utility>

#include "server/http/document.h"
#include "server/http/sse.h"
#include "server/responses/response_events.h"

namespace batucada {
namespace {

class WholeResponse : public LiveAnswer {
 public:
  WholeResponse(std::unique_ptr<ResponseRun> run, Headers headers)
      : headers_(std::move(headers)), run_(std::move(run)) {}

  void OnReady(std::function<void()> wake) override {
    wake_ = wake;
    run_->OnReady(wake);
  }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!document_) {
      if (!run_->Poll()) return Progress::kWaiting;
      // Nobody has heard of it yet, nor will.
      if (run_->object().status == ResponseStatus::kFailed) {
        *head = ErrorResponse(run_->object().failure);
        return Progress::kDone;
      }
      run_->Keep(wake_);
      if (!run_->kept()) return Progress::kWaiting;
      document_.emplace([this](JsonWriter& json) { return run_->Write(json); });
      *head = HttpResponse{.headers = headers_, .body = ""};
    }
    return document_->Advance(body);
  }

 private:
  const Headers headers_;
  std::function<void()> wake_;
  std::unique_ptr<ResponseRun> run_;
  std::optional<Document> document_;  // once all has ended
};

class StreamedResponse : public LiveAnswer {
 public:
  StreamedResponse(std::unique_ptr<ResponseRun> run, Headers headers)
      : headers_(std::move(headers)), run_(std::move(run)), events_(*run_) {}

  void OnReady(std::function<void()> wake) override {
    wake_ = wake;
    run_->OnReady(wake);
  }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!std::exchange(started_, true)) {
      *head = EventStreamHead();
      (*head)->headers.insert((*head)->headers.end(), headers_.begin(), headers_.end());
    }
    if (!writing_ && run_->Poll()) run_->Keep(wake_);
    while (true) {
      if (writing_ && writing_->Advance(body) == Progress::kMore) return Progress::kMore;
      if (writing_) EndEvent(body);
      writing_.reset();
      const std::optional<ResponseEvent> next = events_.Next(run_->kept());
      if (!next) break;
      BeginEvent(body, next->type);
      writing_.emplace([this, &event = *next](JsonWriter& json) { return events_.Write(event, json); });
      if (body->size() >= kMostAtOnce) return Progress::kMore;
    }
    return events_.done() ? Progress::kDone : Progress::kWaiting;
  }

  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  static constexpr size_t kMostAtOnce = 64 << 10;  // bytes of events
  const Headers headers_;
  std::function<void()> wake_;
  std::unique_ptr<ResponseRun> run_;
  ResponseEvents events_;
  bool started_ = false;
  std::optional<Document> writing_;  // the event that is being written
};

}  // namespace

std::unique_ptr<LiveAnswer> MakeWholeResponse(std::unique_ptr<ResponseRun> run, Headers headers) {
  return std::make_unique<WholeResponse>(std::move(run), std::move(headers));
}

std::unique_ptr<LiveAnswer> MakeStreamedResponse(std::unique_ptr<ResponseRun> run, Headers headers) {
  return std::make_unique<StreamedResponse>(std::move(run), std::move(headers));
}

}  // namespace batucada
