#include "server/telemetry/span_exporter.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace batucada {

SpanExporter::SpanExporter(Options options, std::function<Delivery(const std::string& body)> send, Metrics& metrics)
    : options_(std::move(options)), send_(std::move(send)), metrics_(metrics), thread_([this] { Run(); }) {}

SpanExporter::~SpanExporter() { Stop(); }

void SpanExporter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SpanExporter::Add(Span span) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kMaxQueued) return metrics_.OnSpanQueueFull();
    queue_.push_back(std::move(span));
    // One wakes the thread, which then waits for company; a full batch need not wait.
    if (queue_.size() != 1 && queue_.size() != kMaxBatch) return;
  }
  changed_.notify_all();
}

void SpanExporter::Run() {
  pthread_setname_np(pthread_self(), "batucada-spans");
  std::vector<Span> batch;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.batch_delay),
                        [this] { return stopping_ || queue_.size() >= kMaxBatch; });
      if (queue_.empty()) return;  // stopping, and nothing is left
      const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), kMaxBatch));
      batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
      queue_.erase(queue_.begin(), end);
    }
    Export(batch);
  }
}

void SpanExporter::Export(std::span<const Span> batch) {
  const std::string body = ExportRequest(batch, options_.resource);
  absl::Duration pause = options_.first_pause;
  for (int tries = 1;; ++tries, pause *= 2) {
    const Delivery delivery = send_(body);
    if (delivery == Delivery::kTaken) return metrics_.OnSpansExported(batch.size());
    if (delivery == Delivery::kRefused || tries == kTries || !Pause(pause)) {
      return metrics_.OnSpanExportFailed(batch.size());
    }
  }
}

bool SpanExporter::Pause(absl::Duration duration) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, absl::ToChronoNanoseconds(duration), [this] { return stopping_; });
}

}  // namespace batucada
