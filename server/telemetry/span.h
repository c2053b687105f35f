// One span as OpenTelemetry knows it, and how a batch of them is written for a collector.
// https://github.com/open-telemetry/opentelemetry-proto: OTLP/HTTP with JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace batucada {

using SpanValue = std::variant<std::string, int64_t, double, std::vector<std::string>>;
using SpanAttributes = std::vector<std::pair<std::string, SpanValue>>;

struct SpanEvent {
  std::string name;
  absl::Time time;
};

// Of a server, which is the kind of all our spans.
struct Span {
  std::string trace_id;   // 32 hexadecimal digits
  std::string span_id;    // 16
  std::string parent_id;  // 16, or empty
  std::string name;
  absl::Time start, end;
  SpanAttributes attributes;
  std::vector<SpanEvent> events;
  std::string error;  // what went wrong on our side; empty: nothing
};

// The body of POST /v1/traces. `resource` says what made the spans: service.name and the like.
std::string ExportRequest(std::span<const Span> spans, const SpanAttributes& resource);

}  // namespace batucada
