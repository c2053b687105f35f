#include "server/config/kv_events_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "base/check_range.h"
#include "base/json.h"
#include "base/status.h"
#include "text/utf8.h"

namespace batucada {
namespace {

constexpr std::string_view kTcp = "tcp://", kIpc = "ipc://";
constexpr size_t kMostBytes = 256;  // of an endpoint, and of a topic

absl::Status CheckEndpoint(std::string_view flag, std::string_view endpoint) {
  const auto wrong = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("{} is '{}': it must be like tcp://127.0.0.1:5557, {}", flag, Printable(endpoint), why));
  };
  if (endpoint.size() > kMostBytes) return wrong(fmt::format("of at most {} bytes", kMostBytes));
  if (endpoint == kIpc) return wrong("and has no path");
  if (endpoint.starts_with(kIpc)) return absl::OkStatus();
  if (!endpoint.starts_with(kTcp)) return wrong("with tcp:// or ipc:// at its begin");
  const std::string_view rest = endpoint.substr(kTcp.size());
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong("with an address and a port");
  const std::string_view text = rest.substr(colon + 1);
  if (text == "*" && ListensAt(std::string(endpoint))) return absl::OkStatus();
  int32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || port < 1 || port > 65535) return wrong("with a port at its end");
  return absl::OkStatus();
}

}  // namespace

bool ListensAt(const std::string& endpoint) {
  std::string_view host = endpoint;
  if (host.starts_with(kIpc)) return true;
  if (!host.starts_with(kTcp)) return false;
  host = host.substr(kTcp.size(), host.rfind(':') - kTcp.size());
  constexpr std::array<std::string_view, 6> kHere = {"*", "0.0.0.0", "[::]", "::", "localhost", "[::1]"};
  return std::find(kHere.begin(), kHere.end(), host) != kHere.end() || host.starts_with("127.");
}

absl::Status KvEventsConfig::Validate() const {
  if (said_off && enabled()) {  // events tell what is asked here
    return absl::InvalidArgumentError(
        "--kv-events-config says that no events are told, and --kv-events-endpoint where they are: leave out one of "
        "them");
  }
  if (!enabled()) {
    if (replay_endpoint.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("--kv-events-replay-endpoint goes with --kv-events-endpoint: give both");
  }
  BATUCADA_RETURN_IF_ERROR(CheckEndpoint("--kv-events-endpoint", endpoint));
  if (!replay_endpoint.empty()) {
    BATUCADA_RETURN_IF_ERROR(CheckEndpoint("--kv-events-replay-endpoint", replay_endpoint));
    if (!ListensAt(replay_endpoint)) {
      return absl::InvalidArgumentError(
          fmt::format("--kv-events-replay-endpoint is '{}': it must be one to listen at, such as tcp://127.0.0.1:5558 "
                      "or tcp://*:5558",
                      replay_endpoint));
    }
    if (replay_endpoint == endpoint && !endpoint.ends_with(":*")) {
      return absl::InvalidArgumentError(
          "--kv-events-endpoint and --kv-events-replay-endpoint are equal: they must differ");
    }
  }
  if (topic.size() > kMostBytes || FindInvalidUtf8(topic)) {
    return absl::InvalidArgumentError(fmt::format("--kv-events-topic must be UTF-8 of at most {} bytes", kMostBytes));
  }
  BATUCADA_RETURN_IF_ERROR(CheckRange("--kv-events-block-tokens", block_tokens, 1, 4096));
  BATUCADA_RETURN_IF_ERROR(CheckRange("--kv-events-queue", queue_batches, 1, 1'000'000));
  return CheckRange("--kv-events-replay-size", replay_bytes, 0, int64_t{1} << 40);
}

absl::Status ReadVllmKvEventsConfig(const std::string& json, KvEventsConfig* config) {
  BATUCADA_ASSIGN_OR_RETURN(const auto value, ParseJson(json, "the object"));
  absl::Status error;
  const JsonObject object(value, "", &error);
  BATUCADA_RETURN_IF_ERROR(error);
  // The last two say how vLLM's own queue is bounded: nothing waits for that here, and bytes are the bound.
  constexpr std::array<std::string_view, 8> kKnown = {"enable_kv_cache_events", "publisher",   "endpoint",
                                                      "replay_endpoint",        "topic",       "hwm",
                                                      "max_queue_size",         "buffer_steps"};
  for (const auto& member : value.get_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end()) continue;
    return absl::InvalidArgumentError(fmt::format("there is no '{}'", Printable(name)));
  }
  KvEventsConfig read = *config;
  const bool on = object.BoolOr("enable_kv_cache_events", false);
  const std::string publisher = object.StringOr("publisher", on ? "zmq" : "null");
  read.endpoint = object.StringOr("endpoint", "");
  read.replay_endpoint = object.StringOr("replay_endpoint", "");
  read.topic = object.StringOr("topic", read.topic);
  read.queue_batches = static_cast<int32_t>(object.IntOr("hwm", read.queue_batches, {.min = 1, .max = 1'000'000}));
  BATUCADA_RETURN_IF_ERROR(error);
  if (publisher != "zmq" && publisher != "null") {
    return absl::InvalidArgumentError(fmt::format("publisher is '{}': it must be zmq or null", Printable(publisher)));
  }
  read.said_off = !object.BoolOr("enable_kv_cache_events", true) || (object.Has("publisher") && publisher == "null");
  if (!on || publisher == "null") {
    read.endpoint = read.replay_endpoint = "";
  } else if (read.endpoint.empty()) {
    return absl::InvalidArgumentError(
        "there is no endpoint: say one, such as tcp://127.0.0.1:5557, or vLLM's default tcp://*:5557, where everybody "
        "who reaches the port reads what is asked here");
  }
  *config = read;
  return absl::OkStatus();
}

}  // namespace batucada
