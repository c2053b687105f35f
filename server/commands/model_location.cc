#include "server/commands/model_location.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/status.h"
#include "base/strings.h"
#include "engine/engine_config.h"
#include "hub/fetch.h"
#include "hub/settings.h"

namespace batucada {

absl::StatusOr<std::string> FetchFromHub(const HubModel& model, HubPart part) {
  BATUCADA_ASSIGN_OR_RETURN(const HubSettings settings,
                            HubSettingsFrom([](const char* name) -> const char* { return std::getenv(name); }));
  const auto say = [](std::string_view sentence) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(sentence.size()), sentence.data());
  };
  BATUCADA_ASSIGN_OR_RETURN(const std::filesystem::path folder, FetchModel(model, part, settings, say));
  return folder.string();
}

absl::StatusOr<ModelLocation> LocateModel(const std::string& model, HubPart part) {
  std::error_code ignored;
  const bool is_path = std::filesystem::exists(model, ignored) || model == EngineConfig{}.model_dir ||
                       std::filesystem::exists(model.substr(0, model.find('/')), ignored);
  if (model == EngineConfig{}.model_dir && !std::filesystem::exists(model, ignored)) {
    return absl::NotFoundError(Concat("there is no ", model,
                                      " here, which is the model where none is named: give --model a folder, or "
                                      "ORG/NAME of one on the Hub, or start where the repository is"));
  }
  std::optional<HubModel> hub = is_path ? std::nullopt : ParseHubModel(model);
  if (!hub) return ModelLocation{.directory = model, .hub = std::nullopt};
  absl::StatusOr<std::string> found = FetchFromHub(*hub, part);
  if (found.ok()) return ModelLocation{.directory = *std::move(found), .hub = std::move(hub)};
  return absl::Status(found.status().code(),
                      Concat(found.status().message(), " (and there is no folder ", model, " here)"));
}

}  // namespace batucada
