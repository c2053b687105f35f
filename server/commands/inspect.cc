#include <cstdio>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "base/status.h"
#include "engine/model/inspect.h"
#include "engine/model/model_config.h"
#include "server/commands/command.h"
#include "server/commands/model_location.h"
#include "server/config/units.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

std::string InspectJson(const ModelConfig& config, const InspectOptions& options, const std::string& name) {
  const ModelSizes sizes = MeasureModel(config, options);
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Key("model").String(name).Key("model_type").String(config.model_type);
  json.Key("vocab_size").Int(config.vocab_size).Key("d_model").Int(config.d_model);
  json.Key("mamba_layers").Int(config.CountLayers(MixerKind::kMamba));
  json.Key("attention_layers").Int(config.CountLayers(MixerKind::kAttention));
  // Of the first layer of each kind; 0 where there is none.
  const MambaSpec mamba = config.FirstMamba() == nullptr ? MambaSpec{} : *config.FirstMamba();
  const AttentionSpec attention = config.FirstAttention() == nullptr ? AttentionSpec{} : *config.FirstAttention();
  const MlpSpec mlp = config.FirstMlp() == nullptr ? MlpSpec{} : *config.FirstMlp();
  json.Key("d_inner").Int(mamba.d_inner).Key("d_state").Int(mamba.d_state).Key("mlp_width").Int(mlp.width);
  json.Key("heads").Int(attention.heads).Key("kv_heads").Int(attention.kv_heads);
  json.Key("head_dim").Int(attention.head_dim).Key("window_tokens");
  config.Window() ? json.Int(*config.Window()) : json.Null();
  json.Key("parameters").Int(sizes.parameters).Key("matmul_parameters").Int(sizes.matmul_parameters);
  json.Key("weight_bytes").Int(sizes.weight_bytes);
  json.Key("sequence_bytes").BeginObject().Key("ssm").Int(sizes.sequence.ssm).Key("conv").Int(sizes.sequence.conv);
  json.Key("kv").Int(sizes.sequence.kv).Key("total").Int(sizes.sequence.total()).EndObject();
  json.Key("control_bytes").Int(sizes.control_bytes);
  if (options.memory_bytes > 0) {
    json.Key("memory_bytes").Int(options.memory_bytes).Key("sequences_that_fit").Int(sizes.sequences_that_fit);
  }
  json.EndObject();
  return out + "\n";
}

class InspectCommand : public Command {
 public:
  void Declare(CLI::App& program) override {
    command_ = program.add_subcommand("inspect", "Say what a checkpoint is and how much memory it takes");
    command_
        ->add_option("model", model_,
                     "Directory of a Hugging Face checkpoint, where config.json is enough, or ORG/NAME of the Hub")
        ->required()
        ->type_name("MODEL");
    command_->add_option("--memory", memory_, "How many sequences fit in so much, for example 80GiB")
        ->type_name("SIZE");
    command_->add_option("--context-tokens", context_tokens_, "Longest text; matters where attention has no window")
        ->type_name("INT")
        ->check(CLI::NonNegativeNumber);
    command_->add_option("--weights", weights_, "Type of the matrices")
        ->type_name("bf16|fp32")
        ->default_str("bf16")
        ->check(CLI::IsMember({"bf16", "fp32"}));
    command_
        ->add_option("--activations", activations_, "Type of convolution state and K/V: bf16 on a GPU, fp32 on a CPU")
        ->type_name("bf16|fp32")
        ->default_str("bf16")
        ->check(CLI::IsMember({"bf16", "fp32"}));
    command_->add_flag("--json", json_, "Print JSON");
  }
  bool Chosen() const override { return command_->parsed(); }

  absl::StatusOr<int> Run() override {
    const auto type = [](const std::string& name) { return name == "fp32" ? DType::kF32 : DType::kBf16; };
    InspectOptions options = {.weight_dtype = type(weights_),
                              .activation_dtype = type(activations_),
                              .context_tokens = context_tokens_,
                              .memory_bytes = 0};
    if (!memory_.empty()) {
      BATUCADA_ASSIGN_OR_RETURN(options.memory_bytes, ParseBytes(memory_));
    }
    BATUCADA_ASSIGN_OR_RETURN(const ModelLocation location, LocateModel(model_, HubPart::kConfig));
    std::filesystem::path path = std::filesystem::path(location.directory).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    BATUCADA_ASSIGN_OR_RETURN(const ModelConfig config, LoadModelConfig(path));
    const std::string name = location.hub ? location.hub->repository : path.filename().string();
    const std::string report = json_ ? InspectJson(config, options, name) : DescribeModel(config, options, name);
    std::fputs(report.c_str(), stdout);
    return 0;
  }

 private:
  CLI::App* command_ = nullptr;
  std::string model_, memory_, weights_ = "bf16", activations_ = "bf16";
  int64_t context_tokens_ = 0;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeInspectCommand() { return std::make_unique<InspectCommand>(); }

}  // namespace batucada
