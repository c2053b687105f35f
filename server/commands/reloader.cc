#include "server/commands/reloader.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "server/net/tls.h"
#include "server/telemetry/logging.h"

namespace batucada {

absl::StatusOr<std::string> Reloader::TryReload() {
  BATUCADA_ASSIGN_OR_RETURN(const ServerConfig config, read_());
  BATUCADA_ASSIGN_OR_RETURN(const AccessKeys keys,
                            AccessKeys::Load(config.security.api_keys, config.security.api_key_file,
                                             {.most_urgent = config.security.min_priority}));
  if (keys_.required() != keys.required()) {
    return absl::InvalidArgumentError(keys.required() ? "there were no keys, and now there are: start again for that"
                                                      : "there would be no key any more: start again for that");
  }
  BATUCADA_RETURN_IF_ERROR(ReloadTls(tls_));  // of the files that were named at the start
  keys_.Replace(keys);
  SetLogLevel(config.log_level);
  journal_.set_log_sampling(config.request_log_sampling);
  return fmt::format("{}{}log level {}, request log sampling {}", keys.required() ? "keys, " : "",
                     tls_.empty() ? "" : "certificate, ", LogLevelNames()[static_cast<size_t>(config.log_level)],
                     config.request_log_sampling);
}

void Reloader::Reload() {
  const absl::StatusOr<std::string> read = TryReload();
  if (read.ok()) {
    spdlog::info("SIGHUP: read again: {}", *read);
  } else {
    spdlog::error("SIGHUP: nothing was changed: {}", std::string(read.status().message()));
  }
}

}  // namespace batucada
