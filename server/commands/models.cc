// `batucada models`: what the Hub's cache holds. `batucada download`: puts a model there.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "base/human_bytes.h"
#include "base/status.h"
#include "engine/model/model_config.h"
#include "hub/cache_list.h"
#include "hub/settings.h"
#include "server/commands/command.h"
#include "server/commands/model_location.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

absl::StatusOr<HubSettings> Settings() {
  return HubSettingsFrom([](const char* name) -> const char* { return std::getenv(name); });
}

// "served", or why it is not.
std::string StateOf(const CachedModel& model) {
  if (!model.missing.empty()) {
    const size_t more = model.missing.size() - 1;
    return fmt::format("incomplete: lacks {}{}", model.missing.front(),
                       more > 0 ? fmt::format(" and {} more", more) : "");
  }
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(model.directory);
  return config.ok() ? config->model_type : fmt::format("not served: {}", std::string(config.status().message()));
}

std::string Table(const std::vector<CachedModel>& models) {
  size_t name_width = 4, revision_width = 8;
  std::vector<std::string> revisions;
  for (const CachedModel& model : models) {
    revisions.push_back(fmt::format("{}", fmt::join(model.revisions, ", ")));
    name_width = std::max(name_width, model.repository.size());
    revision_width = std::max(revision_width, revisions.back().size());
  }
  std::string out = fmt::format("{:<{}}  {:<{}}  {:<8}  {:>9}  {}\n", "NAME", name_width, "REVISION", revision_width,
                                "COMMIT", "SIZE", "MODEL");
  for (size_t i = 0; i < models.size(); ++i) {
    const CachedModel& model = models[i];
    out += fmt::format("{:<{}}  {:<{}}  {:<8}  {:>9}  {}\n", model.repository, name_width, revisions[i], revision_width,
                       model.commit.substr(0, 8), HumanBytes(model.bytes), StateOf(model));
  }
  return out;
}

std::string Json(const std::vector<CachedModel>& models) {
  std::string out;
  JsonWriter json(&out);
  json.BeginArray();
  for (const CachedModel& model : models) {
    json.BeginObject().Key("model").String(model.repository).Key("revisions").BeginArray();
    for (const std::string& revision : model.revisions) json.String(revision);
    json.EndArray().Key("commit").String(model.commit).Key("directory").String(model.directory.string());
    json.Key("bytes").Int(model.bytes).Key("missing").BeginArray();
    for (const std::string& file : model.missing) json.String(file);
    json.EndArray().Key("state").String(StateOf(model)).EndObject();
  }
  json.EndArray();
  return out + "\n";
}

class ModelsCommand : public Command {
 public:
  void Declare(CLI::App& program) override {
    command_ = program.add_subcommand("models", "List the models of the Hub that are in the cache");
    command_->add_flag("--json", json_, "Print JSON");
  }
  bool Chosen() const override { return command_->parsed(); }
  absl::StatusOr<int> Run() override {
    BATUCADA_ASSIGN_OR_RETURN(const HubSettings settings, Settings());
    const std::vector<CachedModel> models = ListCache(settings.cache);
    if (models.empty() && !json_) {
      fmt::print("no models in {}\n", settings.cache.string());
    } else {
      fmt::print("{}", json_ ? Json(models) : Table(models));
    }
    return 0;
  }

 private:
  CLI::App* command_ = nullptr;
  bool json_ = false;
};

class DownloadCommand : public Command {
 public:
  void Declare(CLI::App& program) override {
    command_ = program.add_subcommand("download", "Fetch a model from the Hub into the cache and print its folder");
    command_->add_option("model", model_, "ORG/NAME or ORG/NAME@REVISION")->required()->type_name("MODEL");
  }
  bool Chosen() const override { return command_->parsed(); }
  absl::StatusOr<int> Run() override {
    const std::optional<HubModel> model = ParseHubModel(model_);
    if (!model) {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" names no model of the Hub: expected ORG/NAME or ORG/NAME@REVISION", model_));
    }
    BATUCADA_ASSIGN_OR_RETURN(const std::string folder, FetchFromHub(*model, HubPart::kModel));
    fmt::print("{}\n", folder);
    return 0;
  }

 private:
  CLI::App* command_ = nullptr;
  std::string model_;
};

}  // namespace

std::unique_ptr<Command> MakeModelsCommand() { return std::make_unique<ModelsCommand>(); }
std::unique_ptr<Command> MakeDownloadCommand() { return std::make_unique<DownloadCommand>(); }

}  // namespace batucada
