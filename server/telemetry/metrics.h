// What dashboards and autoscalers want to know, counted as it happens and written out in Prometheus' text format.
// docs/metrics.md lists the names.
//
// The step loop's thread only adds to atomics; a scrape reads them, takes the scheduler's mutex for a copy of its
// counts, and waits for nobody else. Labels take values from fixed sets, so that the number of series is bounded
// whatever clients send.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/core/observer.h"
#include "engine/engine.h"
#include "server/config/server_config.h"
#include "server/memory/account.h"
#include "server/store/store_stats.h"
#include "server/telemetry/process_stats.h"
#include "server/telemetry/tally.h"

namespace batucada {

// What a scrape finds rather than what was counted.
struct Snapshot {
  EngineStats engine;
  ProcessStats process;
  bool alive = true;   // as /health/live
  bool ready = false;  // as /health/ready
  int64_t text_backlog_bytes = 0;
  int64_t request_memory_budget = 0;
  std::array<int64_t, kMemoryPartNames.size()> request_memory{};           // bytes charged, by part
  std::array<uint64_t, kMemoryPartNames.size()> request_memory_refused{};  // charges refused, by part
  StoreStats store;
  int64_t max_waiting = 0;
  int64_t max_batch_tokens = 0;
  std::string_view model;  // the first name served
  std::string_view backend;
};

// Thread-safe.
class Metrics : public EngineObserver {
 public:
  // --- from the step loop ---
  void OnStep(const StepStats& step) override;
  void OnTokenGap(absl::Duration gap) override;
  void OnFinish(const Finish& finish) override;
  void OnWarning(const std::string& warning) override;

  // --- from the front ends ---
  // `endpoint` is a route's name, never what a client sent.
  void OnHttpResponse(std::string_view endpoint, int status);
  void OnConnectionRefused() { tally_.http_connections_refused.fetch_add(1, std::memory_order_relaxed); }
  void OnConnectionEvicted() { tally_.http_connections_evicted.fetch_add(1, std::memory_order_relaxed); }
  void SetHttpConnections(int64_t open) { tally_.http_connections.store(open, std::memory_order_relaxed); }
  void OnGrpcEnd(std::string_view method, int code);
  void OnGrpcConnectionRefused() { tally_.grpc_connections_refused.fetch_add(1, std::memory_order_relaxed); }
  void SetGrpcConnections(int64_t open) { tally_.grpc_connections.store(open, std::memory_order_relaxed); }
  // Members of requests that no table knows and that were ignored.
  void OnIgnoredParameters(uint64_t count) { tally_.ignored_parameters.fetch_add(count, std::memory_order_relaxed); }
  // A request that the engine never got to run.
  void OnRejected(const absl::Status& status);
  // A client that left while its request ran.
  void OnDisconnect() { tally_.disconnected.fetch_add(1, std::memory_order_relaxed); }

  // --- from the exporter of spans ---
  void OnSpansExported(uint64_t count) { tally_.spans_exported.fetch_add(count, std::memory_order_relaxed); }
  void OnSpanQueueFull() { tally_.spans_dropped_queue_full.fetch_add(1, std::memory_order_relaxed); }
  void OnSpanExportFailed(uint64_t count) {
    tally_.spans_dropped_export_failed.fetch_add(count, std::memory_order_relaxed);
  }

  // --- from the publisher of KV events ---
  void OnKvEventBatch(uint64_t stored, uint64_t removed) {
    tally_.kv_event_batches.fetch_add(1, std::memory_order_relaxed);
    tally_.kv_blocks_stored.fetch_add(stored, std::memory_order_relaxed);
    tally_.kv_blocks_removed.fetch_add(removed, std::memory_order_relaxed);
  }
  void SetKvBlocks(int64_t told) { tally_.kv_blocks.store(told, std::memory_order_relaxed); }
  // `whole`: all that was asked for is still there.
  void OnKvEventReplay(bool whole) {
    (whole ? tally_.kv_replays_whole : tally_.kv_replays_partial).fetch_add(1, std::memory_order_relaxed);
  }

  // The text format, version 0.0.4.
  std::string Render(const Snapshot& now, MetricsAliases aliases = MetricsAliases::kNone) const;

 private:
  Tally tally_;
};

// "stop", "length", …: the names used in metrics, logs and answers.
std::string_view FinishReasonName(FinishReason reason);

}  // namespace batucada
