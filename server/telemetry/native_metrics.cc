#include "server/telemetry/native_metrics.h"

#include <string>

#include "server/common/version.h"

namespace batucada {
namespace {

double Load(const Tally::Counter& counter) { return static_cast<double>(counter.load(std::memory_order_relaxed)); }

template <typename Integer>
double Number(Integer value) {
  return static_cast<double>(value);
}

void AddPrefixCache(const PrefixCacheStats& prefix, MetricsPage& page) {
  const auto tiers = [&page](const char* name, const char* help, double device, double host, bool counter) {
    const std::vector<std::pair<std::string, std::string>> on_device = {{"tier", "device"}},
                                                           on_host = {{"tier", "host"}};
    if (counter) {
      page.CounterFamily(name, help);
      page.Sample(device, on_device);
    } else {
      page.Gauge(name, help, device, on_device);
    }
    page.Sample(host, on_host);
  };
  page.Counter("batucada_prefix_lookups_total", "Prompts looked up in the cache of prefixes", Number(prefix.lookups));
  page.Counter("batucada_prefix_lookup_tokens_total", "Tokens of those prompts", Number(prefix.queried_tokens));
  tiers("batucada_prefix_hits_total", "Prompts that went on from a checkpoint, by where it lay",
        Number(prefix.hits - prefix.host_hits), Number(prefix.host_hits), true);
  tiers("batucada_prefix_hit_tokens_total", "Prompt tokens that were not computed again, likewise",
        Number(prefix.hit_tokens - prefix.host_hit_tokens), Number(prefix.host_hit_tokens), true);
  page.Counter("batucada_prefix_missed_tokens_total",
               "Prompt tokens that were seen before and computed again, for want of a checkpoint",
               Number(prefix.missed_tokens));
  page.Counter("batucada_prefix_waits_total", "Prompts that waited for another's checkpoint", Number(prefix.waits));
  page.Counter("batucada_prefix_checkpoints_written_total", "Checkpoints written", Number(prefix.written));
  tiers("batucada_prefix_evictions_total", "Checkpoints that made room for others", Number(prefix.device_evictions),
        Number(prefix.host_evictions), true);
  tiers("batucada_prefix_checkpoints", "Checkpoints there are", Number(prefix.device_stored),
        Number(prefix.host_stored), false);
  tiers("batucada_prefix_checkpoints_capacity", "Checkpoints there is room for", Number(prefix.device_capacity),
        Number(prefix.host_capacity), false);
  page.Counter("batucada_prefix_disk_reads_total", "Checkpoints brought back from the disk", Number(prefix.disk_hits));
  page.Counter("batucada_prefix_disk_read_tokens_total", "Tokens that they stand for", Number(prefix.disk_hit_tokens));
  page.Counter("batucada_prefix_disk_writes_total", "Checkpoints written to the disk", Number(prefix.disk_written));
  page.Counter("batucada_prefix_disk_dropped_total", "Checkpoints on the disk that made room for newer ones",
               Number(prefix.disk_dropped));
  page.Counter("batucada_prefix_disk_errors_total", "Reads and writes of the disk that failed",
               Number(prefix.disk_errors));
  page.Gauge("batucada_prefix_disk_checkpoints", "Checkpoints on the disk", Number(prefix.disk_stored));
  page.Gauge("batucada_prefix_disk_bytes", "Bytes of their files", Number(prefix.disk_bytes));
  page.Gauge("batucada_prefix_sessions", "Sessions of which something is kept", Number(prefix.sessions));
  page.Gauge("batucada_prefix_tree_tokens", "Token ids that the cache of prefixes remembers",
             Number(prefix.tree_tokens));
}

void AddParking(const EngineStats& engine, MetricsPage& page) {
  const ParkingStats& parking = engine.parking;
  page.Gauge("batucada_requests_parked", "Sequences that are put aside for urgent ones", Number(parking.parked));
  page.Gauge("batucada_parked_bytes", "Host memory that they take", Number(engine.parked_bytes));
  page.Counter("batucada_parked_total", "Times that a sequence was put aside", Number(parking.times_parked));
  page.Counter("batucada_parked_returned_total", "Times that one came back", Number(parking.times_returned));
  page.Counter("batucada_parked_seconds_total", "Time that those who came back had been put aside",
               absl::ToDoubleSeconds(parking.paused));
}

void AddStore(const StoreStats& store, MetricsPage& page) {
  page.Gauge("batucada_store_entries", "What is stored, by kind", Number(store.responses), {{"kind", "response"}});
  page.Sample(Number(store.conversations), {{"kind", "conversation"}});
  page.Sample(Number(store.items), {{"kind", "item"}});
  page.Gauge("batucada_store_bytes", "What it takes in the store's database", Number(store.bytes));
  page.Gauge("batucada_store_capacity_bytes", "What it may take: --store-size", Number(store.capacity_bytes));
  page.Counter("batucada_store_deleted_total", "Responses and conversations that went, by reason",
               Number(store.evicted), {{"reason", "room"}});
  page.Sample(Number(store.expired), {{"reason", "age"}});
  page.Counter("batucada_store_failures_total", "Responses and conversations that could not be written",
               Number(store.failures));
}

void AddState(const Snapshot& now, MetricsPage& page) {
  page.Gauge(
      "batucada_build_info", "What runs; always 1", 1,
      {{"version", std::string(kVersion)}, {"model", std::string(now.model)}, {"backend", std::string(now.backend)}});
  page.Gauge("batucada_model_load_seconds", "Time that loading the weights took, from their files to the device",
             absl::ToDoubleSeconds(now.engine.load_time));
  page.Gauge("batucada_alive", "1 while work makes progress; 0: the process should be restarted", now.alive ? 1 : 0);
  page.Gauge("batucada_ready", "1 if new requests are welcome", now.ready ? 1 : 0);

  const EngineStats& engine = now.engine;
  page.Gauge("batucada_requests_running", "Sequences that hold a recurrent slot", Number(engine.running));
  page.Gauge("batucada_requests_waiting", "Requests in the queue", Number(engine.waiting));
  page.Gauge("batucada_requests_waiting_capacity", "Requests that the queue holds at most", Number(now.max_waiting));
  page.Gauge("batucada_waiting_tokens", "Prompt tokens in the queue", Number(engine.waiting_tokens));
  page.Gauge("batucada_text_backlog_bytes", "Bytes of large requests that wait to be tokenized",
             Number(now.text_backlog_bytes));
  page.Gauge("batucada_request_memory_budget_bytes", "Memory that all requests may hold together",
             Number(now.request_memory_budget));
  for (size_t i = 0; i < kMemoryPartNames.size(); ++i) {
    const MetricLabels part = {{"part", std::string(kMemoryPartNames[i])}};
    i == 0 ? page.Gauge("batucada_request_memory_bytes", "Memory that requests hold, by what it is for",
                        Number(now.request_memory[i]), part)
           : page.Sample(Number(now.request_memory[i]), part);
  }
  page.CounterFamily("batucada_request_memory_refused_total", "Times a request was refused memory, by what it was for");
  for (size_t i = 0; i < kMemoryPartNames.size(); ++i) {
    page.Sample(Number(now.request_memory_refused[i]), {{"part", std::string(kMemoryPartNames[i])}});
  }
  page.Gauge("batucada_recurrent_slots_used", "Recurrent slots in use", Number(engine.slots_used));
  page.Gauge("batucada_recurrent_slots_capacity", "Recurrent slots there are", Number(engine.slots_total));
  page.Gauge("batucada_control_rows_used", "Sequences that change logits: penalties, biases, bans, least lengths",
             Number(engine.control_rows_used));
  page.Gauge("batucada_control_rows_capacity", "How many of these may run", Number(engine.control_rows_total));
  page.Gauge("batucada_kv_blocks_used", "K/V blocks in use or promised to a running sequence",
             Number(engine.blocks_used));
  page.Gauge("batucada_kv_blocks_capacity", "K/V blocks there are", Number(engine.blocks_total));
  page.Gauge("batucada_kv_block_tokens", "Tokens that a K/V block holds", Number(engine.block_tokens));
  page.Gauge("batucada_step_tokens_capacity", "Tokens that one step computes at most", Number(now.max_batch_tokens));
  page.Counter("batucada_steps_total", "Steps finished", Number(engine.steps));
  page.Counter("batucada_plan_searches_total", "Plans of matrix products searched for while serving, not at start-up",
               Number(engine.plan_searches));
  page.Counter("batucada_prompt_tokens_total", "Prompt tokens computed", Number(engine.prompt_tokens));
  page.Counter("batucada_generation_tokens_total", "Tokens generated", Number(engine.generated_tokens));
  page.Counter("batucada_draft_tokens_total", "Tokens guessed ahead: --draft-tokens", Number(engine.drafts));
  page.Counter("batucada_draft_tokens_kept_total", "Of them, those that were right", Number(engine.kept_drafts));
  AddParking(engine, page);
  if (engine.prefix) AddPrefixCache(*engine.prefix, page);
  AddStore(now.store, page);
}

void AddDistributions(const Tally& tally, MetricsPage& page) {
  page.Distribution("batucada_time_to_first_token_seconds", "From submission to the first generated token",
                    tally.time_to_first_token);
  page.Distribution("batucada_inter_token_latency_seconds", "Between two generated tokens of a request",
                    tally.token_gap);
  page.Distribution("batucada_time_per_output_token_seconds", "Mean time between the generated tokens of a request",
                    tally.mean_token_gap);
  page.Distribution("batucada_queue_time_seconds", "From submission to leaving the queue", tally.queue_time);
  page.Distribution("batucada_prefill_time_seconds", "From leaving the queue to the first generated token",
                    tally.prefill_time);
  page.Distribution("batucada_decode_time_seconds", "From the first generated token to the end", tally.decode_time);
  page.Distribution("batucada_request_duration_seconds", "From submission to the end", tally.end_to_end);
  page.Distribution("batucada_request_prompt_tokens", "Prompt length of a request", tally.prompt_length);
  page.Distribution("batucada_request_generation_tokens", "Generated length of a request", tally.output_length);
  page.Distribution("batucada_step_duration_seconds", "Launch of a step to its result", tally.step_time);
  page.Distribution("batucada_step_sequences", "Sequences that made a token in a step", tally.step_sequences);
  page.Distribution("batucada_step_tokens", "Prompt and generated tokens that a step computed", tally.step_tokens);
}

void AddOutcomes(const Tally& tally, MetricsPage& page) {
  page.CounterFamily("batucada_requests_finished_total", "Requests that ended, by reason");
  for (size_t i = 0; i < tally.finished.size(); ++i) {
    page.Sample(Load(tally.finished[i]), {{"reason", std::string(FinishReasonName(static_cast<FinishReason>(i)))}});
  }
  page.CounterFamily("batucada_requests_rejected_total", "Requests refused before they ran, by reason");
  for (size_t i = 0; i < tally.rejected.size(); ++i) {
    page.Sample(Load(tally.rejected[i]), {{"reason", std::string(kRejectionNames[i])}});
  }
  page.Counter("batucada_requests_disconnected_total", "Requests whose client left while they ran",
               Load(tally.disconnected));
  page.Counter("batucada_ignored_parameters_total", "Members of requests that no table knows and that were ignored",
               Load(tally.ignored_parameters));
}

void AddWires(const Tally& tally, MetricsPage& page) {
  page.Gauge("batucada_http_connections", "HTTP connections open",
             Number(tally.http_connections.load(std::memory_order_relaxed)));
  page.Counter("batucada_http_connections_refused_total", "HTTP connections refused because too many were open",
               Load(tally.http_connections_refused));
  page.Counter("batucada_http_connections_evicted_total", "Idle HTTP connections closed to make room for others",
               Load(tally.http_connections_evicted));
  const std::lock_guard lock(tally.mutex);
  page.CounterFamily("batucada_http_responses_total", "HTTP answers, by endpoint and status");
  for (const auto& [key, count] : tally.http_responses) {
    page.Sample(Number(count), {{"endpoint", key.first}, {"status", std::to_string(key.second)}});
  }
  page.Gauge("batucada_grpc_connections", "gRPC connections open",
             Number(tally.grpc_connections.load(std::memory_order_relaxed)));
  page.Counter("batucada_grpc_connections_refused_total",
               "gRPC connections that were closed because too many were open", Load(tally.grpc_connections_refused));
  page.CounterFamily("batucada_grpc_calls_total", "gRPC calls that ended, by method and status code");
  for (const auto& [key, count] : tally.grpc_calls) {
    page.Sample(Number(count), {{"method", key.first}, {"code", std::to_string(key.second)}});
  }
}

void AddKvEvents(const Tally& tally, MetricsPage& page) {
  page.Counter("batucada_kv_event_batches_total", "Batches of KV events published", Load(tally.kv_event_batches));
  page.Counter("batucada_kv_event_blocks_total", "Blocks that those told of, by what became of them",
               Load(tally.kv_blocks_stored), {{"event", "stored"}});
  page.Sample(Load(tally.kv_blocks_removed), {{"event", "removed"}});
  page.Gauge("batucada_kv_event_blocks", "Blocks that subscribers know to be kept",
             Number(tally.kv_blocks.load(std::memory_order_relaxed)));
  page.Counter("batucada_kv_event_replays_total", "Times a subscriber asked for batches it had missed, and got",
               Load(tally.kv_replays_whole), {{"got", "all"}});
  page.Sample(Load(tally.kv_replays_partial), {{"got", "some"}});
}

void AddTracing(const Tally& tally, MetricsPage& page) {
  page.Counter("batucada_spans_exported_total", "Spans that the collector took", Load(tally.spans_exported));
  page.Counter("batucada_spans_dropped_total", "Spans that were lost, by reason", Load(tally.spans_dropped_queue_full),
               {{"reason", "queue_full"}});
  page.Sample(Load(tally.spans_dropped_export_failed), {{"reason", "export_failed"}});
}

void AddProcess(const ProcessStats& process, MetricsPage& page) {
  page.Counter("process_cpu_seconds_total", "User and system CPU time spent", process.cpu_seconds);
  page.Gauge("process_start_time_seconds", "When the process started, since the epoch", process.start_time_seconds);
  page.Gauge("process_resident_memory_bytes", "Memory in use", Number(process.resident_bytes));
  page.Gauge("process_virtual_memory_bytes", "Address space in use", Number(process.virtual_bytes));
  page.Gauge("process_open_fds", "File descriptors open", Number(process.open_fds));
  page.Gauge("process_max_fds", "File descriptors that may be open", Number(process.max_fds));
  page.Gauge("process_threads", "Threads", Number(process.threads));
}

}  // namespace

void AddNativeMetrics(const Tally& tally, const Snapshot& now, MetricsPage* page) {
  AddState(now, *page);
  AddDistributions(tally, *page);
  AddOutcomes(tally, *page);
  AddWires(tally, *page);
  AddKvEvents(tally, *page);
  AddTracing(tally, *page);
  AddProcess(now.process, *page);
}

}  // namespace batucada
