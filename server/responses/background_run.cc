#include "server/responses/background_run.h"

#include <atomic>
#include <utility>

namespace batucada {
namespace {

class BackgroundRun : public std::enable_shared_from_this<BackgroundRun> {
 public:
  BackgroundRun(Service& service, std::unique_ptr<ResponseRun> run)
      : service_(service), client_(run->client().id()), run_(std::move(run)) {}

  // It holds itself until it is over.
  void Start() {
    self_ = shared_from_this();
    service_.store_thread.Post(client_, [self = self_] { self->Follow(); });
  }

 private:
  // From here on all happens on the store's thread, but for Wake.
  void Follow() {
    run_->OnReady([this] { Wake(); });
    Advance();
  }

  // From the step loop's thread: one look is due at a time.
  void Wake() {
    if (!due_.exchange(true)) service_.store_thread.Post(client_, [self = self_] { self->Advance(); });
  }

  void Advance() {
    due_ = false;
    if (run_ == nullptr || !run_->Poll()) return;
    run_->KeepNow();
    run_.reset();  // no Wake after this
    self_.reset();
  }

  Service& service_;
  const uint64_t client_;
  std::unique_ptr<ResponseRun> run_;
  std::atomic<bool> due_{false};
  std::shared_ptr<BackgroundRun> self_;
};

}  // namespace

void RunInBackground(Service& service, std::unique_ptr<ResponseRun> run) {
  std::make_shared<BackgroundRun>(service, std::move(run))->Start();
}

}  // namespace batucada
