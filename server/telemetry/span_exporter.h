// Sends spans to a collector, a batch at a time, from a thread of its own. Whoever hands one over never waits: what
// does not fit into the queue is dropped and counted.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "server/telemetry/metrics.h"
#include "server/telemetry/span.h"

namespace batucada {

// What became of one try to send a batch.
enum class Delivery : uint8_t {
  kTaken,
  kTryAgain,  // nobody answered, or with 429, 502, 503 or 504
  kRefused,   // it will never be taken
};

// Thread-safe.
class SpanExporter {
 public:
  static constexpr size_t kMaxQueued = 2048;
  static constexpr size_t kMaxBatch = 512;
  static constexpr int kTries = 5;

  struct Options {
    SpanAttributes resource;
    absl::Duration batch_delay = absl::Seconds(1);  // a span waits so long for company
    absl::Duration first_pause = absl::Seconds(1);  // before the second try; doubles with every further one
  };

  // `send` posts a body and may take its time; it is called from the exporter's thread. `metrics` outlives this.
  SpanExporter(Options options, std::function<Delivery(const std::string& body)> send, Metrics& metrics);
  ~SpanExporter();  // as Stop
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  void Add(Span span);
  // Tries once to send what is left; what is added later is not sent. Not from several threads at once.
  void Stop();

 private:
  void Run();
  void Export(std::span<const Span> batch);
  // Sleeps, unless the end comes first. False: it came.
  bool Pause(absl::Duration duration);

  const Options options_;
  const std::function<Delivery(const std::string& body)> send_;
  Metrics& metrics_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Span> queue_;
  bool stopping_ = false;
  std::thread thread_;  // last: everything above is there when it starts
};

}  // namespace batucada
