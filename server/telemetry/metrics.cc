#include "server/telemetry/metrics.h"

#include <spdlog/spdlog.h>

#include "server/common/error.h"
#include "server/telemetry/metrics_page.h"
#include "server/telemetry/native_metrics.h"
#include "server/telemetry/vllm_metrics.h"

namespace batucada {
namespace {

Rejection RejectionOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument: return Rejection::kInvalid;
    case absl::StatusCode::kNotFound:
      return ErrorCode(status) == "model_not_found" ? Rejection::kUnknownModel : Rejection::kInvalid;
    case absl::StatusCode::kUnauthenticated: return Rejection::kUnauthenticated;
    case absl::StatusCode::kUnavailable: return Rejection::kUnavailable;
    case absl::StatusCode::kResourceExhausted: break;
    default: return Rejection::kInternal;
  }
  const std::string code = ErrorCode(status);
  if (code == "text_queue_full") return Rejection::kTextQueueFull;
  if (code == "memory_full") return Rejection::kMemoryFull;
  if (code == "request_too_large") return Rejection::kTooLarge;
  return Rejection::kQueueFull;
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

void Metrics::OnStep(const StepStats& step) {
  tally_.step_time.Observe(absl::ToDoubleSeconds(step.duration));
  tally_.step_sequences.Observe(step.decode_rows);
  tally_.step_tokens.Observe(step.decode_rows + step.prompt_rows);
}

void Metrics::OnTokenGap(absl::Duration gap) { tally_.token_gap.Observe(absl::ToDoubleSeconds(gap)); }

void Metrics::OnWarning(const std::string& warning) { spdlog::warn("{}", warning); }

void Metrics::OnFinish(const Finish& finish) {
  const auto seconds = [](absl::Time from, absl::Time to) { return absl::ToDoubleSeconds(to - from); };
  tally_.finished[static_cast<size_t>(finish.reason)].fetch_add(1, std::memory_order_relaxed);
  tally_.end_to_end.Observe(seconds(finish.submitted, finish.finished));
  tally_.prompt_length.Observe(static_cast<double>(finish.prompt_tokens));
  tally_.output_length.Observe(static_cast<double>(finish.generated_tokens));
  if (finish.admitted == absl::InfinitePast()) return;
  tally_.queue_time.Observe(seconds(finish.submitted, finish.admitted));
  tally_.run_time.Observe(seconds(finish.admitted, finish.finished));
  if (finish.first_token == absl::InfinitePast()) return;
  const double decode_time = seconds(finish.first_token, finish.finished);
  tally_.time_to_first_token.Observe(seconds(finish.submitted, finish.first_token));
  tally_.prefill_time.Observe(seconds(finish.admitted, finish.first_token));
  tally_.decode_time.Observe(decode_time);
  if (finish.generated_tokens < 2) return;
  tally_.mean_token_gap.Observe(decode_time / static_cast<double>(finish.generated_tokens - 1));
}

void Metrics::OnHttpResponse(std::string_view endpoint, int status) {
  const std::lock_guard lock(tally_.mutex);
  ++tally_.http_responses[{std::string(endpoint), status}];
}

void Metrics::OnGrpcEnd(std::string_view method, int code) {
  const std::lock_guard lock(tally_.mutex);
  ++tally_.grpc_calls[{std::string(method), code}];
}

void Metrics::OnRejected(const absl::Status& status) {
  tally_.rejected[static_cast<size_t>(RejectionOf(status))].fetch_add(1, std::memory_order_relaxed);
}

std::string Metrics::Render(const Snapshot& now, MetricsAliases aliases) const {
  MetricsPage page;
  AddNativeMetrics(tally_, now, &page);
  if (aliases == MetricsAliases::kVllm) AddVllmMetrics(tally_, now, &page);
  return page.Text();
}

}  // namespace batucada
