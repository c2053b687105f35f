#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <variant>

#include <CLI/CLI.hpp>

#include "base/status.h"
#include "engine/engine.h"
#include "server/commands/command.h"
#include "server/commands/load_engine.h"
#include "server/commands/model_location.h"
#include "server/config/options.h"
#include "server/config/server_config.h"
#include "server/generate/completion_params.h"
#include "server/generate/translate.h"

namespace batucada {
namespace {

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// "41 prompt tokens in 0.012 s (3400/s), 64 tokens in 0.51 s (125/s)".
void PrintSpeed(const Finish& finish) {
  if (finish.first_token == absl::InfinitePast()) return;
  const double prompt_s = absl::ToDoubleSeconds(finish.first_token - finish.submitted);
  const double rest_s = absl::ToDoubleSeconds(finish.finished - finish.first_token);
  const double prompt = static_cast<double>(finish.prompt_tokens),
               rest = static_cast<double>(finish.generated_tokens - 1);
  std::fprintf(stderr, "\n%.0f prompt tokens in %.3f s (%.0f tokens/s); %.0f more tokens in %.3f s", prompt, prompt_s,
               prompt / prompt_s, rest, rest_s);
  if (rest > 0 && rest_s > 0) std::fprintf(stderr, " (%.1f tokens/s)", rest / rest_s);
  std::fputc('\n', stderr);
}

class CompleteCommand : public Command {
 public:
  void Declare(CLI::App& program) override {
    command_ = program.add_subcommand("complete", "Continue one prompt in the terminal");
    command_->add_option("prompt", prompt_, "Text to continue")->required()->type_name("TEXT");
    const std::string group = "Sampling";
    table_.AddInt("max-tokens", group, "Tokens to generate at most", &max_tokens_);
    for (const SamplingField& field : kSamplingFields) {
      std::string flag(field.name);
      std::replace(flag.begin(), flag.end(), '_', '-');
      const std::string help(field.description);
      if (const auto* integer = std::get_if<IntegerMembers>(&field.members)) {
        table_.AddInt(flag, group, help, &(params_.*integer->asked));
      } else {
        table_.AddNumber(flag, group, help, &(params_.*std::get<NumberMembers>(field.members).asked));
      }
    }
    table_.AddInt("seed", group, "The same seed gives the same text; default: random", &params_.seed);
    table_.AddStrings("stop", group, "End before this text appears; several allowed", &params_.stop);
    config_.engine.max_sequences = 1;
    AddEngineOptions(table_, &config_.engine);
    table_.Declare(*command_);
  }
  bool Chosen() const override { return command_->parsed(); }

  absl::StatusOr<int> Run() override {
    BATUCADA_RETURN_IF_ERROR(table_.Apply([](const char* name) -> const char* { return std::getenv(name); }));
    BATUCADA_RETURN_IF_ERROR(config_.Validate());
    const bool dummy = config_.engine.load_format == LoadFormat::kDummy;
    BATUCADA_ASSIGN_OR_RETURN(const ModelLocation location,
                              LocateModel(config_.engine.model_dir, dummy ? HubPart::kConfig : HubPart::kModel));
    config_.engine.model_dir = location.directory;
    const std::vector<std::string> names = ServedModelNames(config_);
    BATUCADA_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, LoadEngine(config_.engine, names.front()));
    params_.prompts = {prompt_};
    params_.max_tokens = max_tokens_;
    BATUCADA_ASSIGN_OR_RETURN(Translation translation,
                              Translate(params_, {.tokenizer = engine->tokenizer(),
                                                  .defaults = engine->generation_defaults(),
                                                  .model_names = names,
                                                  .limits = config_.request,
                                                  .max_total_tokens = config_.engine.max_total_tokens,
                                                  .vocab_size = engine->model().vocab_size}));
    BATUCADA_ASSIGN_OR_RETURN(Generation generation, engine->Submit(std::move(translation.requests.front())));
    Print(prompt_);
    Update update;
    while (generation.Wait(&update)) {
      Print(update.text);
      if (!update.finish) continue;
      Print("\n");
      PrintSpeed(*update.finish);
      if (update.finish->reason == FinishReason::kError) return absl::InternalError(update.finish->message);
    }
    return 0;
  }

 private:
  CLI::App* command_ = nullptr;
  OptionTable table_;
  ServerConfig config_;
  std::string prompt_;
  CompletionParams params_;
  int64_t max_tokens_ = 128;
};

}  // namespace

std::unique_ptr<Command> MakeCompleteCommand() { return std::make_unique<CompleteCommand>(); }

}  // namespace batucada
