#include "server/telemetry/request_journal.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/status.h"
#include "server/common/asked_model.h"
#include "server/common/error.h"
#include "server/common/request_id.h"
#include "server/common/version.h"
#include "server/telemetry/collector.h"
#include "server/telemetry/logging.h"
#include "server/telemetry/request_line.h"

namespace batucada {
namespace {

constexpr absl::Duration kExportTimeout = absl::Seconds(5);
constexpr size_t kSpanIdDigits = 16;

bool EndedWell(const RequestRecord& record) {
  const auto well = [](std::string_view reason) { return reason == "stop" || reason == "length"; };
  return record.status.ok() && std::all_of(record.finish_reasons.begin(), record.finish_reasons.end(), well);
}

// By its client's fault, which costs the client next to nothing.
bool Refused(const RequestRecord& record) {
  return !record.asked && !record.status.ok() && HttpStatusOf(record.status) < 500;
}

// Whether what `number` stands for, evenly spread over 64 bits, is in the first `part` of all.
bool InPart(uint64_t number, double part) {
  return static_cast<double>(number >> 11) < part * static_cast<double>(uint64_t{1} << 53);
}

std::unique_ptr<SpanExporter> MakeExporter(const TracingConfig& tracing, Metrics& metrics) {
  if (tracing.endpoint.empty()) return nullptr;
  absl::StatusOr<CollectorAddress> address = ParseCollectorAddress(tracing.endpoint);
  BATUCADA_CHECK(address.ok(), address.status().message());
  SpanExporter::Options options;
  options.resource = {{"service.name", tracing.service_name}, {"service.version", std::string(kVersion)}};
  const auto send = [address = *std::move(address)](const std::string& body) {
    return PostToCollector(address, body, kExportTimeout);
  };
  return std::make_unique<SpanExporter>(std::move(options), send, metrics);
}

}  // namespace

Span SpanOf(const RequestRecord& record) {
  const std::string& api = record.origin.api;
  const bool chat = api.find("chat") != std::string::npos || api == "responses" || api == "anthropic.messages";
  const std::string operation = chat ? "chat" : "text_completion";
  Span span = {.trace_id = record.origin.trace.trace_id,
               .span_id = "",
               .parent_id = record.origin.trace.parent_id,
               .name = operation,
               .start = record.started,
               .end = record.ended,
               .attributes = {{"gen_ai.operation.name", operation},
                              {"gen_ai.provider.name", std::string("batucada")},
                              {"batucada.api", record.origin.api},
                              {"batucada.request_id", record.origin.request_id}},
               .events = {},
               .error = ""};
  if (record.asked) {
    span.name += " " + record.asked->model;
    span.attributes.insert(span.attributes.end(), {{"gen_ai.request.model", record.asked->model},
                                                   {"gen_ai.response.model", record.asked->model},
                                                   {"gen_ai.request.max_tokens", record.asked->max_tokens},
                                                   {"gen_ai.request.temperature", record.asked->temperature},
                                                   {"gen_ai.request.top_p", record.asked->top_p},
                                                   {"gen_ai.request.choice.count", record.choices},
                                                   {"gen_ai.usage.input_tokens", record.usage.prompt_tokens},
                                                   {"gen_ai.usage.output_tokens", record.usage.generated_tokens}});
    // Each marks where a phase begins.
    span.events.push_back({.name = "queue", .time = record.started});
    if (record.admitted != absl::InfinitePast()) span.events.push_back({.name = "prefill", .time = record.admitted});
    if (record.first_token != absl::InfinitePast()) {
      span.events.push_back({.name = "decode", .time = record.first_token});
    }
  }
  if (const std::string model = AskedModel(record.status); !record.asked && !model.empty()) {
    span.name += " " + model;
    span.attributes.emplace_back("gen_ai.request.model", model);
  }
  span.attributes.emplace_back("gen_ai.response.finish_reasons",
                               std::vector<std::string>(record.finish_reasons.begin(), record.finish_reasons.end()));
  if (!record.status.ok()) {
    const std::string code = ErrorCode(record.status);
    span.attributes.emplace_back("error.type", code.empty() ? absl::StatusCodeToString(record.status.code()) : code);
    // A client's mistake, or its change of mind, is no error of a server's span.
    const bool ours = HttpStatusOf(record.status) >= 500 && !absl::IsCancelled(record.status);
    if (ours) span.error = std::string(record.status.message());
  }
  return span;
}

RequestJournal::RequestJournal(const TracingConfig& tracing, double log_sampling, Metrics& metrics)
    : trace_sampling_(tracing.sampling), log_sampling_(log_sampling), exporter_(MakeExporter(tracing, metrics)) {}

bool RequestJournal::WantsSpan(const TraceContext& trace) const {
  if (exporter_ == nullptr) return false;
  if (!trace.trace_id.empty()) return trace.sampled;  // the caller has decided
  return trace_sampling_ > 0;
}

void RequestJournal::Write(const RequestRecord& record) {
  std::string trace_id = record.origin.trace.trace_id, span_id;
  if (WantsSpan(record.origin.trace)) {
    Span span = SpanOf(record);
    const std::string random = NewRequestId();
    const bool wanted = !trace_id.empty() || InPart(std::hash<std::string>()(random), trace_sampling_);
    if (wanted) {
      if (trace_id.empty()) trace_id = NewRequestId();
      span_id = random.substr(0, kSpanIdDigits);
      span.trace_id = trace_id;
      span.span_id = span_id;
      exporter_->Add(std::move(span));
    }
  }
  if (CurrentLogLevel() > LogLevel::kInfo) return;
  if (EndedWell(record) && !InPart(std::hash<std::string>()(record.origin.request_id), log_sampling())) return;
  int64_t left_out = 0;
  if (Refused(record) && !refusals_.Take(record.ended, &left_out)) return;
  if (left_out > 0) spdlog::warn("{} more requests were refused: for so many there is no line each", left_out);
  LogRequestLine(RequestLine(record, trace_id, span_id));
}

}  // namespace batucada
