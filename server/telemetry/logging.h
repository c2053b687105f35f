// The log, on standard error: messages for the operator as text or JSON, and a JSON object for every request. Both can
// be changed while the server runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/config/server_config.h"

namespace batucada {

// Once, before there are other threads.
void SetUpLogging(LogLevel level, LogFormat format);

// Thread-safe. Requests are told of at kInfo.
void SetLogLevel(LogLevel level);
LogLevel CurrentLogLevel();
// In the order of the enum's values.
const std::vector<std::string>& LogLevelNames();

// Writes `line`, which is JSON, as it is. Thread-safe.
void LogRequestLine(std::string_view line);

}  // namespace batucada
