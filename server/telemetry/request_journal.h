// What is written down of every request when it is over: a line in the log, and a span for the collector.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "server/config/server_config.h"
#include "server/telemetry/line_budget.h"
#include "server/telemetry/metrics.h"
#include "server/telemetry/request_record.h"
#include "server/telemetry/span.h"
#include "server/telemetry/span_exporter.h"

namespace batucada {

// Thread-safe.
class RequestJournal {
 public:
  // REQUIRES: tracing has been validated; metrics outlives this.
  RequestJournal(const TracingConfig& tracing, double log_sampling, Metrics& metrics);

  void Write(const RequestRecord& record);
  // Tries once to send the spans that are left: those of later records are not sent. Not from several threads at once.
  void Stop() {
    if (exporter_ != nullptr) exporter_->Stop();
  }

  // Of the requests that ended well, the part that gets a line; the others always do, but that of those that were
  // refused so many get one as a log can bear. Whether one does that ended well depends on its id alone.
  double log_sampling() const { return log_sampling_.load(std::memory_order_relaxed); }
  void set_log_sampling(double part) { log_sampling_.store(part, std::memory_order_relaxed); }

 private:
  bool WantsSpan(const TraceContext& trace) const;

  const double trace_sampling_;
  std::atomic<double> log_sampling_;
  LineBudget refusals_{/*per_second=*/20, /*burst=*/200};
  std::unique_ptr<SpanExporter> exporter_;  // null: tracing is off
};

// The span of a request, in OpenTelemetry's conventions for generative AI. Without `error` and with empty ids if the
// record has none.
Span SpanOf(const RequestRecord& record);

}  // namespace batucada
