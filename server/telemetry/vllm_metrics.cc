#include "server/telemetry/vllm_metrics.h"

#include <algorithm>
#include <string>

namespace batucada {
namespace {

// The part in use of what sequences are kept in, 0 to 1. A sequence here is a slot and some blocks; vLLM keeps the
// states of such models in its one pool of blocks. What a picker wants to know is how near the next request is to
// waiting, so the scarcer of the two counts.
double CacheUsage(const EngineStats& engine) {
  const auto share = [](int64_t used, int64_t total) {
    return total > 0 ? static_cast<double>(used) / static_cast<double>(total) : 0.0;
  };
  return std::max(share(engine.slots_used, engine.slots_total), share(engine.blocks_used, engine.blocks_total));
}

void AddVllmState(const Snapshot& now, MetricsPage& page) {
  const EngineStats& engine = now.engine;
  page.Gauge("vllm:num_requests_running", "Number of requests that run", static_cast<double>(engine.running));
  page.Gauge("vllm:num_requests_waiting", "Number of requests in the queue", static_cast<double>(engine.waiting));
  page.Gauge("vllm:kv_cache_usage_perc", "Cache in use; 1 means all of it", CacheUsage(engine));
  page.Gauge("vllm:gpu_cache_usage_perc", "The older name of vllm:kv_cache_usage_perc", CacheUsage(engine));
  page.Counter("vllm:num_preemptions_total", "Times that a request made room for an urgent one: it was parked",
               static_cast<double>(engine.parking.times_parked));
  page.Counter("vllm:prompt_tokens_total", "Prompt tokens computed", static_cast<double>(engine.prompt_tokens));
  const PrefixCacheStats prefix = engine.prefix.value_or(PrefixCacheStats{});
  page.Counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the cache of prefixes",
               static_cast<double>(prefix.queried_tokens));
  page.Counter("vllm:prefix_cache_hits_total", "Prompt tokens that it gave", static_cast<double>(prefix.hit_tokens));
  page.Counter("vllm:generation_tokens_total", "Tokens generated", static_cast<double>(engine.generated_tokens));
  page.Counter("vllm:spec_decode_num_draft_tokens_total", "Tokens guessed ahead", static_cast<double>(engine.drafts));
  page.Counter("vllm:spec_decode_num_accepted_tokens_total", "Of them, those that were right",
               static_cast<double>(engine.kept_drafts));
}

// vLLM knows four ends; what ended without being asked to by the text or the limits was aborted.
void AddEnds(const Tally& tally, MetricsPage& page) {
  const auto ended = [&tally](FinishReason reason) {
    return static_cast<double>(tally.finished[static_cast<size_t>(reason)].load(std::memory_order_relaxed));
  };
  page.CounterFamily("vllm:request_success_total", "Requests that ended, by reason");
  page.Sample(ended(FinishReason::kStop), {{"finished_reason", "stop"}});
  page.Sample(ended(FinishReason::kLength), {{"finished_reason", "length"}});
  page.Sample(ended(FinishReason::kCancelled) + ended(FinishReason::kDeadline) + ended(FinishReason::kOverrun) +
                  ended(FinishReason::kShutdown),
              {{"finished_reason", "abort"}});
  page.Sample(ended(FinishReason::kError), {{"finished_reason", "error"}});
}

void AddVllmDistributions(const Tally& tally, MetricsPage& page) {
  page.Distribution("vllm:time_to_first_token_seconds", "Time to the first token", tally.time_to_first_token);
  page.Distribution("vllm:inter_token_latency_seconds", "Between two tokens of a request", tally.token_gap);
  page.Distribution("vllm:time_per_output_token_seconds", "The older name of vllm:inter_token_latency_seconds",
                    tally.token_gap);
  page.Distribution("vllm:request_time_per_output_token_seconds", "Mean time per output token of a request",
                    tally.mean_token_gap);
  page.Distribution("vllm:e2e_request_latency_seconds", "From arrival to the end", tally.end_to_end);
  page.Distribution("vllm:request_queue_time_seconds", "Time in the queue", tally.queue_time);
  page.Distribution("vllm:request_inference_time_seconds", "Time from leaving the queue to the end", tally.run_time);
  page.Distribution("vllm:request_prefill_time_seconds", "Time from leaving the queue to the first token",
                    tally.prefill_time);
  page.Distribution("vllm:request_decode_time_seconds", "Time from the first token to the end", tally.decode_time);
  page.Distribution("vllm:request_prompt_tokens", "Prompt length of a request", tally.prompt_length);
  page.Distribution("vllm:request_generation_tokens", "Generated length of a request", tally.output_length);
  page.Distribution("vllm:iteration_tokens_total", "Tokens that a step computed", tally.step_tokens);
}

}  // namespace

void AddVllmMetrics(const Tally& tally, const Snapshot& now, MetricsPage* page) {
  page->SetLabels({{"model_name", std::string(now.model)}, {"engine", "0"}});
  AddVllmState(now, *page);
  AddEnds(tally, *page);
  AddVllmDistributions(tally, *page);
  page->SetLabels({{"engine", "0"}});
  page->Gauge("vllm:cache_config_info", "How the cache is laid out; always 1", 1,
              {{"block_size", std::to_string(now.engine.block_tokens)},
               {"num_gpu_blocks", std::to_string(now.engine.blocks_total)},
               {"cache_dtype", "auto"},
               {"enable_prefix_caching", now.engine.prefix ? "True" : "False"}});
  page->SetLabels({});
}

}  // namespace batucada
