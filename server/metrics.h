// What dashboards and autoscalers want to know, counted as it happens and written out in Prometheus' text format.
//
// The step loop's thread only adds to atomics; a scrape reads them and waits for nobody. Labels take values from fixed
// sets, so that the number of series is bounded whatever clients send.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "engine/core/observer.h"
#include "engine/engine.h"
#include "server/histogram.h"

namespace batucada {

// Thread-safe.
class Metrics : public EngineObserver {
 public:
  Metrics();

  // --- from the step loop ---
  void OnStep(const StepStats& step) override;
  void OnFinish(const Finish& finish) override;

  // --- from the front ends ---
  // `endpoint` is a route's name, never what a client sent.
  void OnHttpResponse(std::string_view endpoint, int status);
  void OnHttpDisconnect() { http_disconnects_.fetch_add(1, std::memory_order_relaxed); }
  void SetHttpConnections(int64_t open) { http_connections_.store(open, std::memory_order_relaxed); }
  void OnGrpcEnd(std::string_view method, int code);
  // A request that the engine never got to run.
  void OnRejected(const absl::Status& status);

  // The text format, version 0.0.4. `ready`: whether /health/ready says so.
  std::string Render(const EngineStats& stats, bool ready, std::string_view model, std::string_view backend) const;

 private:
  using Counter = std::atomic<uint64_t>;
  static constexpr size_t kFinishReasons = 7;

  Histogram time_to_first_token_, inter_token_, queue_time_, end_to_end_;  // seconds
  Histogram prompt_length_, output_length_;                                // tokens
  Histogram step_time_, step_sequences_, step_tokens_;
  std::array<Counter, kFinishReasons> finished_{};
  Counter rejected_queue_full_{0}, rejected_invalid_{0}, rejected_unavailable_{0};
  Counter http_disconnects_{0};
  std::atomic<int64_t> http_connections_{0};

  mutable std::mutex mutex_;  // guards what follows: once a request, never once a token
  std::map<std::pair<std::string, int>, uint64_t> http_responses_;
  std::map<std::pair<std::string, int>, uint64_t> grpc_calls_;
};

// "stop", "length", …: the names used in metrics, logs and answers.
std::string_view FinishReasonName(FinishReason reason);

}  // namespace batucada
