#include "server/telemetry/logging.h"

#include <memory>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "absl/time/time.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                 spdlog::level::err, spdlog::level::off};
constexpr char kRequests[] = "requests";

class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const spdlog::string_view_t level = spdlog::level::to_string_view(message.level);
    std::string line;
    JsonWriter json(&line);
    json.BeginObject();
    json.Key("time").String(
        absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", absl::FromChrono(message.time), absl::UTCTimeZone()));
    json.Key("level").String({level.data(), level.size()});
    json.Key("message").String({message.payload.data(), message.payload.size()}).EndObject();
    line += '\n';
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

}  // namespace

void SetUpLogging(LogLevel level, LogFormat format) {
  auto messages = std::make_shared<spdlog::logger>("batucada", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  if (format == LogFormat::kJson) {
    messages->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    messages->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  }
  spdlog::set_default_logger(std::move(messages));
  // Sinks of the same stream share a lock, so that lines stay whole.
  auto requests = std::make_shared<spdlog::logger>(kRequests, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  requests->set_pattern("%v");
  spdlog::register_logger(std::move(requests));
  spdlog::flush_on(spdlog::level::info);
  SetLogLevel(level);
}

void SetLogLevel(LogLevel level) { spdlog::set_level(kLevels[static_cast<size_t>(level)]); }

LogLevel CurrentLogLevel() {
  const spdlog::level::level_enum current = spdlog::default_logger_raw()->level();
  size_t level = 0;
  while (kLevels[level] != current && level + 1 < std::size(kLevels)) ++level;
  return static_cast<LogLevel>(level);
}

const std::vector<std::string>& LogLevelNames() {
  static const std::vector<std::string> names = {"debug", "info", "warn", "error", "off"};
  return names;
}

void LogRequestLine(std::string_view line) {
  static const std::shared_ptr<spdlog::logger> requests = spdlog::get(kRequests);
  if (requests != nullptr) requests->info(line);
}

}  // namespace batucada
