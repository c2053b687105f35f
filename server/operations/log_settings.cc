#include "server/operations/log_settings.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "absl/strings/str_join.h"
#include "server/common/error.h"
#include "server/json/json_writer.h"
#include "server/telemetry/logging.h"

namespace batucada {
namespace {

boost::json::object LevelSchema() {
  boost::json::object schema = StringSchema("Least severe messages to write; requests are told of at info.");
  schema["enum"] = boost::json::array(LogLevelNames().begin(), LogLevelNames().end());
  return schema;
}

void ReadLevel(RequestReader& reader, LogSettings& settings) {
  if (reader.Take("level") == nullptr) return;
  reader.Read("level", &settings.level.emplace());
}

}  // namespace

const ParameterTable<LogSettings>& LogParameters() {
  static const ParameterTable<LogSettings> table = [] {
    ParameterTable<LogSettings> made;
    made.AddRead("level", LevelSchema(), ReadLevel);
    made.Add("request_sampling",
             NumberSchema("Part of the requests that end well which get a line; the others always do.", {}),
             &LogSettings::request_sampling);
    return made;
  }();
  return table;
}

Answer HandleLogSettings(Service& service, const HttpRequest&) {
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("level").String(LogLevelNames()[static_cast<size_t>(CurrentLogLevel())]);
  json.Key("request_sampling").Number(static_cast<float>(service.journal.log_sampling())).EndObject();
  return response;
}

Answer HandleSetLog(Service& service, const HttpRequest& request) {
  const absl::StatusOr<LogSettings> wanted = LogParameters().Parse(request.body);
  if (!wanted.ok()) return ErrorResponse(wanted.status());
  const std::vector<std::string>& names = LogLevelNames();
  const auto level = std::find(names.begin(), names.end(), wanted->level.value_or(names.front()));
  if (level == names.end()) {
    return ErrorResponse(InvalidParameter("level", "level must be one of " + absl::StrJoin(names, ", ")));
  }
  const double sampling = wanted->request_sampling.value_or(0);
  if (!(sampling >= 0 && sampling <= 1)) {
    return ErrorResponse(InvalidParameter("request_sampling", "request_sampling must be from 0 to 1"));
  }
  if (wanted->level) SetLogLevel(static_cast<LogLevel>(level - names.begin()));
  if (wanted->request_sampling) service.journal.set_log_sampling(sampling);
  return HandleLogSettings(service, request);
}

}  // namespace batucada
