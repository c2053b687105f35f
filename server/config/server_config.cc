#include "server/config/server_config.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/check_range.h"
#include "base/status.h"
#include "server/config/collector_address.h"
#include "server/config/served_names.h"
#include "text/stop_matcher.h"
#include "text/utf8.h"

namespace batucada {
namespace {

absl::Status CheckPositive(std::string_view flag, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("--{} must be longer than 0", flag));
}

absl::Status CheckPart(std::string_view flag, double value) { return CheckRange(flag, value, 0, Lower::kClosed, 1); }

// Names are told to others in JSON and protobuf, and stand in one line of a log.
bool IsTellable(std::string_view name) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  return !FindInvalidUtf8(name) && std::none_of(name.begin(), name.end(), is_control);
}

absl::Status CheckName(std::string_view flag, std::string_view name) {
  if (IsTellable(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} must be UTF-8 without control characters", flag));
}

absl::Status ValidateTelemetry(const ServerConfig& config) {
  BATUCADA_RETURN_IF_ERROR(CheckPart("--request-log-sampling", config.request_log_sampling));
  BATUCADA_RETURN_IF_ERROR(CheckPart("--trace-sampling", config.tracing.sampling));
  BATUCADA_RETURN_IF_ERROR(CheckName("--otlp-service-name", config.tracing.service_name));
  if (config.tracing.endpoint.empty()) return absl::OkStatus();
  return ParseCollectorAddress(config.tracing.endpoint).status();
}

absl::Status ValidateGrpc(const GrpcLimits& limits) {
  BATUCADA_RETURN_IF_ERROR(CheckRange("--grpc-max-connections", limits.max_connections, 1, 1'000'000));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--grpc-max-streams", limits.max_streams, 1, 10'000));
  BATUCADA_RETURN_IF_ERROR(CheckPositive("grpc-handshake-timeout", limits.handshake_timeout));
  BATUCADA_RETURN_IF_ERROR(CheckPositive("grpc-idle-timeout", limits.idle_timeout));
  BATUCADA_RETURN_IF_ERROR(CheckPositive("grpc-max-connection-age", limits.max_age));
  return CheckPositive("grpc-max-connection-age-grace", limits.max_age_grace);
}

absl::Status ValidateSecurity(const SecurityConfig& security) {
  if (security.tls_certificate.empty() != security.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together: give both or none");
  }
  for (const std::string& origin : security.cors_origins) {
    const size_t host = origin.find("://");
    const bool sound = host != origin.npos && host > 0 && origin.size() > host + 3 &&
                       origin.find_first_of("/ \t\r\n*", host + 3) == origin.npos;
    if (sound || origin == "*") continue;
    return absl::InvalidArgumentError(fmt::format(
        "--cors-origin is '{}': it must be * or an origin such as 'https://example.org', without a path", origin));
  }
  return absl::OkStatus();
}

absl::Status ValidateKvEvents(const ServerConfig& config) {
  if (config.kv_events.enabled() && config.engine.prefix_cache == PrefixCacheUse::kOff) {
    return absl::InvalidArgumentError(
        "--kv-events-endpoint is set, but nothing is kept that could be told: set --prefix-cache on, too");
  }
  return config.kv_events.Validate();
}

}  // namespace

absl::Status ServerConfig::Validate() const {
  BATUCADA_RETURN_IF_ERROR(engine.Validate());
  if (host.empty()) return absl::InvalidArgumentError("--host is empty: give an address, for example 0.0.0.0");
  BATUCADA_RETURN_IF_ERROR(CheckRange("--port", port, 0, 65535));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--grpc-port", grpc_port, 0, 65535));
  if (grpc == Switch::kOn && port != 0 && port == grpc_port) {
    return absl::InvalidArgumentError(fmt::format("--port and --grpc-port are both {}: they must differ", port));
  }
  BATUCADA_RETURN_IF_ERROR(CheckRange("--health-port", health_port, -1, 65535));
  if (health_port > 0 && (health_port == port || health_port == grpc_port)) {
    return absl::InvalidArgumentError(
        fmt::format("--health-port is {}, which is --port or --grpc-port, too: it must differ", health_port));
  }
  for (auto name = served_model_names.begin(); name != served_model_names.end(); ++name) {
    if (name->empty()) return absl::InvalidArgumentError("--served-model-name is empty");
    BATUCADA_RETURN_IF_ERROR(CheckName("--served-model-name", *name));
    if (std::find(served_model_names.begin(), name, *name) != name) {
      return absl::InvalidArgumentError(fmt::format("--served-model-name gives {} twice", *name));
    }
  }
  BATUCADA_RETURN_IF_ERROR(CheckRange("--io-threads", io_threads, 0, 256));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--text-threads", text_threads, 0, 256));
  if (request_memory != 0) {
    BATUCADA_RETURN_IF_ERROR(CheckRange("--request-memory", request_memory, 1 << 20, int64_t{1} << 50));
  }
  BATUCADA_RETURN_IF_ERROR(CheckRange("--min-transfer-rate", http.min_transfer_rate, 1, int64_t{1} << 40));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-text-backlog-bytes", max_text_backlog_bytes, 0, int64_t{1} << 40));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-body-bytes", http.max_body_bytes, 1024, int64_t{1} << 30));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-header-bytes", http.max_header_bytes, 256, 1 << 20));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-connections", http.max_connections, 1, 1'000'000));
  BATUCADA_RETURN_IF_ERROR(CheckPositive("idle-timeout", http.idle_timeout));
  BATUCADA_RETURN_IF_ERROR(CheckPositive("read-timeout", http.read_timeout));
  BATUCADA_RETURN_IF_ERROR(CheckPositive("write-timeout", http.write_timeout));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-prompts", request.max_prompts, 1, 4096));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-choices", request.max_choices, 1, 1024));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-stop-strings", request.max_stop_strings, 0, StopMatcher::kMaxStopStrings));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-logit-biases", request.max_logit_biases, 0, 1'000'000));
  if (http.keep_alive_period < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--keep-alive-period is negative");
  }
  BATUCADA_RETURN_IF_ERROR(CheckRange("--min-priority", security.min_priority, kMostUrgent, kLeastUrgent));
  BATUCADA_RETURN_IF_ERROR(ValidateGrpc(grpc_limits));
  BATUCADA_RETURN_IF_ERROR(ValidateSecurity(security));
  BATUCADA_RETURN_IF_ERROR(ValidateTelemetry(*this));
  BATUCADA_RETURN_IF_ERROR(ValidateKvEvents(*this));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-generated-tokens", request.max_generated_tokens, 0, int64_t{1} << 50));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--default-max-tokens", request.default_max_tokens, 1, int64_t{1} << 30));
  if (store.max_bytes != 0) {
    BATUCADA_RETURN_IF_ERROR(CheckRange("--store-size", store.max_bytes, 1 << 20, int64_t{1} << 46));
  }
  BATUCADA_RETURN_IF_ERROR(CheckPositive("store-ttl", store.lifetime));
  if (request.max_time < absl::ZeroDuration()) return absl::InvalidArgumentError("--max-request-time is negative");
  BATUCADA_RETURN_IF_ERROR(CheckRange("--max-prompt-tokens", request.max_prompt_tokens, 0, engine.max_total_tokens));
  return absl::OkStatus();
}

void ApplyOpenTelemetryEnvironment(const std::function<const char*(const char*)>& environment, TracingConfig* tracing) {
  const auto variable = [&](const char* name) -> std::string_view {
    const char* value = environment(name);
    return value != nullptr ? value : "";
  };
  if (variable("OTEL_SDK_DISABLED") == "true") return;
  tracing->endpoint = variable("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (const std::string_view name = variable("OTEL_SERVICE_NAME"); !name.empty()) tracing->service_name = name;
}

std::vector<std::string> ServedModelNames(const ServerConfig& config) {
  std::vector<std::string> names = config.served_model_names;
  if (!names.empty() && !IsPattern(names.front())) return names;
  std::filesystem::path path = std::filesystem::path(config.engine.model_dir).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // a trailing slash
  std::string name = path.filename().string();
  const bool is_name = !name.empty() && name != "." && name != ".." && IsTellable(name);
  names.insert(names.begin(), is_name ? name : "model");
  return names;
}

}  // namespace batucada
