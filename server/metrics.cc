#include "server/metrics.h"

#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "server/version.h"

namespace batucada {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::array<double, 18> kSeconds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
                                             1,     2,     5,     10,   20,   50,   100, 200, 500};
constexpr std::array<double, 16> kShortSeconds = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                                  0.05,   0.1,    0.2,    0.5,   1,     2,     5,    10};
constexpr std::array<double, 21> kPowersOfTwo = {1,     2,     4,     8,      16,     32,     64,
                                                 128,   256,   512,   1024,   2048,   4096,   8192,
                                                 16384, 32768, 65536, 131072, 262144, 524288, 1048576};

std::vector<ClientMetric::Label> Labels(std::initializer_list<std::pair<const char*, std::string_view>> pairs) {
  std::vector<ClientMetric::Label> labels;
  for (const auto& [name, value] : pairs) labels.push_back({name, std::string(value)});
  return labels;
}

// Collects families and their samples.
class Page {
 public:
  void Family(const char* name, const char* help, MetricType type) {
    families_.push_back({.name = name, .help = help, .type = type, .metric = {}});
  }
  void Sample(double value, std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    families_.back().metric.push_back(std::move(metric));
  }
  void Gauge(const char* name, const char* help, double value) {
    Family(name, help, MetricType::Gauge);
    Sample(value);
  }
  void Counter(const char* name, const char* help, double value) {
    Family(name, help, MetricType::Counter);
    Sample(value);
  }
  void Distribution(const char* name, const char* help, const Histogram& histogram) {
    Family(name, help, MetricType::Histogram);
    ClientMetric metric;
    uint64_t below = 0;
    for (size_t i = 0; i < histogram.bounds().size(); ++i) {
      below += histogram.bucket(i);
      metric.histogram.bucket.push_back({.cumulative_count = below, .upper_bound = histogram.bounds()[i]});
    }
    metric.histogram.sample_count = below + histogram.bucket(histogram.bounds().size());
    metric.histogram.sample_sum = histogram.sum();
    families_.back().metric.push_back(std::move(metric));
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double Load(const std::atomic<uint64_t>& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

void AddEngine(const EngineStats& stats, Page& page) {
  const auto number = [](auto value) { return static_cast<double>(value); };
  page.Gauge("batucada_requests_running", "Sequences that hold a recurrent slot", number(stats.running));
  page.Gauge("batucada_requests_waiting", "Requests in the queue", number(stats.waiting));
  page.Gauge("batucada_waiting_tokens", "Prompt tokens in the queue", number(stats.waiting_tokens));
  page.Gauge("batucada_recurrent_slots_used", "Recurrent slots in use", number(stats.slots_used));
  page.Gauge("batucada_recurrent_slots_capacity", "Recurrent slots there are", number(stats.slots_total));
  page.Gauge("batucada_kv_blocks_used", "K/V blocks in use or promised to a running sequence",
             number(stats.blocks_used));
  page.Gauge("batucada_kv_blocks_capacity", "K/V blocks there are", number(stats.blocks_total));
  page.Gauge("batucada_kv_block_tokens", "Tokens that a K/V block holds", number(stats.block_tokens));
  page.Counter("batucada_steps_total", "Steps finished", number(stats.steps));
  page.Counter("batucada_prompt_tokens_total", "Prompt tokens computed", number(stats.prompt_tokens));
  page.Counter("batucada_generation_tokens_total", "Tokens generated", number(stats.generated_tokens));
}

}  // namespace

std::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
    case FinishReason::kDeadline: return "deadline";
    case FinishReason::kOverrun: return "overrun";
    case FinishReason::kShutdown: return "shutdown";
    case FinishReason::kError: return "error";
  }
  return "error";
}

Metrics::Metrics()
    : time_to_first_token_(kSeconds), inter_token_(kShortSeconds), queue_time_(kSeconds), end_to_end_(kSeconds),
      prompt_length_(kPowersOfTwo), output_length_(kPowersOfTwo), step_time_(kShortSeconds),
      step_sequences_(kPowersOfTwo), step_tokens_(kPowersOfTwo) {}

void Metrics::OnStep(const StepStats& step) {
  step_time_.Observe(absl::ToDoubleSeconds(step.duration));
  step_sequences_.Observe(step.decode_rows);
  step_tokens_.Observe(step.decode_rows + step.prompt_rows);
}

void Metrics::OnFinish(const Finish& finish) {
  const auto seconds = [](absl::Time from, absl::Time to) { return absl::ToDoubleSeconds(to - from); };
  finished_[static_cast<size_t>(finish.reason)].fetch_add(1, std::memory_order_relaxed);
  end_to_end_.Observe(seconds(finish.submitted, finish.finished));
  prompt_length_.Observe(static_cast<double>(finish.prompt_tokens));
  output_length_.Observe(static_cast<double>(finish.generated_tokens));
  if (finish.admitted == absl::InfinitePast()) return;
  queue_time_.Observe(seconds(finish.submitted, finish.admitted));
  if (finish.first_token == absl::InfinitePast()) return;
  time_to_first_token_.Observe(seconds(finish.submitted, finish.first_token));
  if (finish.generated_tokens < 2) return;
  inter_token_.Observe(seconds(finish.first_token, finish.finished) / static_cast<double>(finish.generated_tokens - 1));
}

void Metrics::OnHttpResponse(std::string_view endpoint, int status) {
  const std::lock_guard lock(mutex_);
  ++http_responses_[{std::string(endpoint), status}];
}

void Metrics::OnGrpcEnd(std::string_view method, int code) {
  const std::lock_guard lock(mutex_);
  ++grpc_calls_[{std::string(method), code}];
}

void Metrics::OnRejected(const absl::Status& status) {
  Counter& counter = status.code() == absl::StatusCode::kResourceExhausted ? rejected_queue_full_
                     : status.code() == absl::StatusCode::kUnavailable     ? rejected_unavailable_
                                                                           : rejected_invalid_;
  counter.fetch_add(1, std::memory_order_relaxed);
}

std::string Metrics::Render(const EngineStats& stats, bool ready, std::string_view model,
                            std::string_view backend) const {
  Page page;
  page.Family("batucada_build_info", "What runs; always 1", MetricType::Gauge);
  page.Sample(1, Labels({{"version", kVersion}, {"model", model}, {"backend", backend}}));
  page.Gauge("batucada_ready", "1 if new requests are welcome", ready ? 1 : 0);
  AddEngine(stats, page);

  page.Distribution("batucada_time_to_first_token_seconds", "From submission to the first generated token",
                    time_to_first_token_);
  page.Distribution("batucada_inter_token_latency_seconds", "Mean time between the generated tokens of a request",
                    inter_token_);
  page.Distribution("batucada_queue_time_seconds", "From submission to leaving the queue", queue_time_);
  page.Distribution("batucada_request_duration_seconds", "From submission to the end", end_to_end_);
  page.Distribution("batucada_request_prompt_tokens", "Prompt length of a request", prompt_length_);
  page.Distribution("batucada_request_generation_tokens", "Generated length of a request", output_length_);
  page.Distribution("batucada_step_duration_seconds", "Launch of a step to its result", step_time_);
  page.Distribution("batucada_step_sequences", "Sequences that made a token in a step", step_sequences_);
  page.Distribution("batucada_step_tokens", "Prompt and generated tokens that a step computed", step_tokens_);

  page.Family("batucada_requests_finished_total", "Requests that ended, by reason", MetricType::Counter);
  for (size_t i = 0; i < kFinishReasons; ++i) {
    page.Sample(Load(finished_[i]), Labels({{"reason", FinishReasonName(static_cast<FinishReason>(i))}}));
  }
  page.Family("batucada_requests_rejected_total", "Requests refused before they ran, by reason", MetricType::Counter);
  page.Sample(Load(rejected_queue_full_), Labels({{"reason", "queue_full"}}));
  page.Sample(Load(rejected_invalid_), Labels({{"reason", "invalid"}}));
  page.Sample(Load(rejected_unavailable_), Labels({{"reason", "unavailable"}}));

  page.Gauge("batucada_http_connections", "HTTP connections open",
             static_cast<double>(http_connections_.load(std::memory_order_relaxed)));
  page.Counter("batucada_http_disconnects_total", "Clients that left before their answer was complete",
               Load(http_disconnects_));
  const std::lock_guard lock(mutex_);
  page.Family("batucada_http_responses_total", "HTTP answers, by endpoint and status", MetricType::Counter);
  for (const auto& [key, count] : http_responses_) {
    page.Sample(static_cast<double>(count), Labels({{"endpoint", key.first}, {"status", std::to_string(key.second)}}));
  }
  page.Family("batucada_grpc_calls_total", "gRPC calls that ended, by method and status code", MetricType::Counter);
  for (const auto& [key, count] : grpc_calls_) {
    page.Sample(static_cast<double>(count), Labels({{"method", key.first}, {"code", std::to_string(key.second)}}));
  }
  return page.Text();
}

}  // namespace batucada
