#include "loadtest/metrics/server_counts.h"

#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/status.h"
#include "loadtest/client/quick_request.h"
#include "loadtest/metrics/prometheus_text.h"

namespace batucada::loadtest {
namespace {

constexpr Duration kMetricsPatience = std::chrono::seconds(5);

// The names that one kind of server gives to what we want to know; empty: it does not tell.
struct Names {
  std::string_view kind;
  std::string_view answered, reason_label;  // counted where the label is "stop" or "length", or is not there
  std::string_view refused;                 // where the label "reason" tells of want of room
  std::string_view prompt_tokens, output_tokens;
  std::string_view running, waiting;
};
constexpr std::array<Names, 3> kServers = {{
    {.kind = "batucada",
     .answered = "batucada_requests_finished_total",
     .reason_label = "reason",
     .refused = "batucada_requests_rejected_total",
     .prompt_tokens = "batucada_prompt_tokens_total",
     .output_tokens = "batucada_generation_tokens_total",
     .running = "batucada_requests_running",
     .waiting = "batucada_requests_waiting"},
    {.kind = "vllm",
     .answered = "vllm:request_success_total",
     .reason_label = "finished_reason",
     .prompt_tokens = "vllm:prompt_tokens_total",
     .output_tokens = "vllm:generation_tokens_total",
     .running = "vllm:num_requests_running",
     .waiting = "vllm:num_requests_waiting"},
    {.kind = "sglang",
     .answered = "sglang:num_requests_total",
     .prompt_tokens = "sglang:prompt_tokens_total",
     .output_tokens = "sglang:generation_tokens_total",
     .running = "sglang:num_running_reqs",
     .waiting = "sglang:num_queue_reqs"},
}};

bool IsAnswer(std::string_view reason) { return reason.empty() || reason == "stop" || reason == "length"; }
bool IsRefusal(std::string_view reason) {
  return reason == "queue_full" || reason == "text_queue_full" || reason == "unavailable";
}

void Add(std::optional<double>* sum, double value) { sum->emplace(sum->value_or(0) + value); }

}  // namespace

absl::StatusOr<ServerCounts> ReadServerCounts(std::string_view prometheus_text) {
  const std::vector<Sample> samples = ParsePrometheus(prometheus_text);
  for (const Names& names : kServers) {
    ServerCounts counts = {.kind = std::string(names.kind)};
    for (const Sample& sample : samples) {
      if (sample.name == names.answered && IsAnswer(LabelOf(sample, names.reason_label))) {
        Add(&counts.answered, sample.value);
      } else if (sample.name == names.refused && IsRefusal(LabelOf(sample, "reason"))) {
        Add(&counts.refused, sample.value);
      } else if (sample.name == names.prompt_tokens) {
        Add(&counts.prompt_tokens, sample.value);
      } else if (sample.name == names.output_tokens) {
        Add(&counts.output_tokens, sample.value);
      } else if (sample.name == names.running) {
        Add(&counts.running, sample.value);
      } else if (sample.name == names.waiting) {
        Add(&counts.waiting, sample.value);
      }
    }
    if (counts.running || counts.output_tokens) return counts;
  }
  return absl::UnimplementedError("/metrics is of no server known here (batucada, vLLM, SGLang)");
}

absl::StatusOr<ServerCounts> ScrapeServerCounts(const Target& target, const RequestHead& head) {
  BATUCADA_ASSIGN_OR_RETURN(const Reply reply, QuickRequest(target, head.Get("/metrics"), kMetricsPatience));
  if (reply.status != 200) return absl::UnavailableError(fmt::format("/metrics answers {}", reply.status));
  return ReadServerCounts(reply.body);
}

}  // namespace batucada::loadtest
