// How much is logged, seen and changed while the server runs: /admin/log.
#pragma once

#include <optional>
#include <string>

#include "server/generate/service.h"
#include "server/http/http.h"
#include "server/json/parameter_table.h"

namespace batucada {

struct LogSettings {
  std::optional<std::string> level;        // absent: as it is
  std::optional<double> request_sampling;  // likewise
};

const ParameterTable<LogSettings>& LogParameters();

// Thread-safe. Both answer with the settings that hold from then on; what is set lasts until the process ends.
Answer HandleLogSettings(Service& service, const HttpRequest& request);
Answer HandleSetLog(Service& service, const HttpRequest& request);

}  // namespace batucada
