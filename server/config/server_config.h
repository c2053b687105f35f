// Every choice the server leaves to its operator, the engine's included. One default per field.
//
// The same field is a flag (--max-sequences), an environment variable (BATUCADA_MAX_SEQUENCES) and a key of the
// --config file (max-sequences); a flag wins over the environment, the environment over the file. See options.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/core/request.h"
#include "engine/engine_config.h"
#include "server/config/grpc_limits.h"
#include "server/config/kv_events_config.h"
#include "server/json/unknown_members.h"
#include "text/answer/call_format.h"
#include "text/answer/thinking.h"

namespace batucada {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError, kOff };
enum class LogFormat : uint8_t { kText, kJson };

// What one HTTP connection may ask for, and how long it may take over it.
struct HttpLimits {
  int64_t max_body_bytes = 8 << 20;                      // of one request
  int64_t max_header_bytes = 16 << 10;                   // request line and headers of one request
  int32_t max_connections = 10'000;                      // open at once; past it a connection gets 503 and is closed
  absl::Duration idle_timeout = absl::Seconds(75);       // between requests on a kept connection
  absl::Duration read_timeout = absl::Seconds(20);       // for the headers of a request, and again for its body
  absl::Duration write_timeout = absl::Seconds(60);      // that an answer may wait for its client in all, and besides:
  int64_t min_transfer_rate = 16 << 10;                  // bytes a second that buy more time, for bodies and answers
  absl::Duration keep_alive_period = absl::Seconds(15);  // a comment on a stream that is silent so long; 0: none
};

// What one request may ask for, whichever front end it comes through.
struct RequestBounds {
  int32_t max_prompts = 64;  // prompts of one HTTP request
  int32_t max_choices = 16;  // n
  int32_t max_stop_strings = 16;
  int32_t max_logit_biases = 1024;
  int64_t max_generated_tokens = 0;   // asked for by all its choices together; 0: a million, or what a choice may
  int64_t default_max_tokens = 4096;  // of a chat that says nothing, and whose model says nothing
  absl::Duration max_time = absl::Hours(1);  // until it ends with kDeadline; 0: no end
  int64_t max_prompt_tokens = 0;             // of each prompt; 0: as many as the engine takes in all
};

enum class Switch : uint8_t { kOff, kOn };
enum class PrefixCacheScope : uint8_t { kKey, kServer };
// What becomes of members of a request that no table knows.
enum class StrictParameters : uint8_t {
  kOff,  // ignored, named in a header of the answer and counted
  kOn,   // refused
};

enum class MetricsAccess : uint8_t { kOpen, kKey };

// Who may talk to the server, and how.
struct SecurityConfig {
  std::vector<std::string> api_keys;                    // what clients must present; none here and in the file: nothing
  std::string api_key_file;                             // more keys, one a line
  Priority min_priority = 0;                            // the smallest that a request counts with, unless its key says
  MetricsAccess metrics_access = MetricsAccess::kOpen;  // whether /metrics needs a key too
  std::vector<std::string> cors_origins;                // of pages whose scripts may read answers; "*": all
  std::string tls_certificate;                          // PEM file; with tls_key: TLS on both ports
  std::string tls_key;
};

// What outlives a request: responses and conversations.
struct StoreConfig {
  std::string directory;                           // empty: in memory, until the process ends
  absl::Duration lifetime = absl::Hours(24 * 30);  // of what nobody goes on from
  int64_t max_bytes = 0;                           // 0: 1 GiB in a directory, 64 MiB in memory

  int64_t size() const { return max_bytes > 0 ? max_bytes : directory.empty() ? 64 << 20 : 1 << 30; }
};

enum class MetricsAliases : uint8_t { kNone, kVllm };  // kVllm: what vLLM calls them, besides our own names

// Where spans of requests go.
struct TracingConfig {
  std::string endpoint;  // of a collector that takes OTLP over HTTP, "http://localhost:4318"; empty: tracing is off
  std::string service_name = "batucada";
  double sampling = 1;  // of the requests whose caller has not decided, the part that is traced
};

struct ServerConfig {
  EngineConfig engine;

  std::string host = "127.0.0.1";                                // address to listen on; 0.0.0.0: all
  int32_t port = 8000;                                           // HTTP; 0: one that is free
  Switch grpc = Switch::kOn;                                     // whether gRPC is served at all
  int32_t grpc_port = 9000;                                      // gRPC; 0: one that is free
  PrefixCacheScope prefix_cache_scope = PrefixCacheScope::kKey;  // whose prompts may go on from whose
  Switch grpc_reflection = Switch::kOn;                          // whether gRPC's clients may ask what there is
  GrpcLimits grpc_limits;
  int32_t health_port = -1;   // health, metrics and administration alone; 0: one that is free; -1: none
  std::string port_file;      // if set, a line "http PORT" and so on for each, once all listen
  std::string chat_template;  // a Jinja file; empty: the model's own, if it has one
  CallFormat tool_call_parser = CallFormat::kAuto;          // how the model writes calls of tools
  ThinkingFormat reasoning_parser = ThinkingFormat::kAuto;  // and what it thinks
  // Names it answers to; "*" in one stands for any text. None: the model directory's own name.
  std::vector<std::string> served_model_names;
  int32_t io_threads = 0;      // threads that read and write connections; 0: a quarter of the cores, 1 to 4
  int32_t text_threads = 0;    // threads that work on large texts; 0: as many, but at least 3
  int64_t request_memory = 0;  // bytes that all requests may hold together; 0: a quarter of what the process may have
  int64_t max_text_backlog_bytes = 64 << 20;  // of large requests that wait for those threads; past it they get 429
  HttpLimits http;
  RequestBounds request;
  StrictParameters strict_parameters = StrictParameters::kOff;
  SecurityConfig security;
  StoreConfig store;
  MetricsAliases metrics_aliases = MetricsAliases::kNone;

  absl::Duration shutdown_grace = absl::Seconds(1);  // from unready until connections are no longer accepted
  absl::Duration drain_timeout = absl::Seconds(30);  // for what runs to finish; the rest is ended

  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;  // of messages; the lines about requests are always JSON
  double request_log_sampling = 1;          // of the requests that end well, the part that gets a line
  TracingConfig tracing;
  KvEventsConfig kv_events;

  UnknownMembers::Policy unknown_members() const {
    return strict_parameters == StrictParameters::kOn ? UnknownMembers::Policy::kRefuse
                                                      : UnknownMembers::Policy::kIgnore;
  }

  // INVALID_ARGUMENT: one sentence that names the flag, its value and what it must be.
  absl::Status Validate() const;
};

// What OpenTelemetry's own variables say: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_SDK_DISABLED.
// `environment` is getenv, or a test's.
void ApplyOpenTelemetryEnvironment(const std::function<const char*(const char*)>& environment, TracingConfig* tracing);

// The names to answer to, patterns among them: those configured, else the last component of the model directory, which
// also comes first if the first of those configured is a pattern.
std::vector<std::string> ServedModelNames(const ServerConfig& config);

}  // namespace batucada
