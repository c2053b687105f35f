#include "engine/model/inspect.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/human_bytes.h"
#include "base/strings.h"

namespace batucada {
namespace {

std::string HumanCount(int64_t count) {
  if (count >= 1'000'000'000) return absl::StrFormat("%.2f B", static_cast<double>(count) / 1e9);
  if (count >= 1'000'000) return absl::StrFormat("%.1f M", static_cast<double>(count) / 1e6);
  return Concat(count);
}

// "12 × (Mamba, attention)" where the pattern repeats, else "Mamba ×3, attention, Mamba ×2".
std::string LayerPattern(const std::vector<LayerKind>& layers) {
  const auto name = [](LayerKind kind) { return kind == LayerKind::kMamba ? "Mamba" : "attention"; };
  bool alternates = layers.size() >= 4 && layers.size() % 2 == 0 && layers[0] != layers[1];
  for (size_t i = 2; i < layers.size(); ++i) alternates = alternates && layers[i] == layers[i - 2];
  if (alternates) return Concat(layers.size() / 2, " × (", name(layers[0]), ", ", name(layers[1]), ")");
  std::vector<std::string> runs;
  for (size_t begin = 0, end = 0; begin < layers.size(); begin = end) {
    while (end < layers.size() && layers[end] == layers[begin]) ++end;
    const size_t length = end - begin;
    runs.push_back(length == 1 ? name(layers[begin]) : Concat(length, " × ", name(layers[begin])));
  }
  return absl::StrJoin(runs, ", ");
}

std::string WindowText(const ModelConfig& config) {
  return config.window == kNoWindow ? "no window" : Concat("window ", config.window, " tokens");
}

}  // namespace

ModelSizes MeasureModel(const ModelConfig& config, const InspectOptions& options) {
  const int64_t mamba_layers = config.CountLayers(LayerKind::kMamba);
  const int64_t attention_layers = config.CountLayers(LayerKind::kAttention);
  const auto activation_bytes = static_cast<int64_t>(SizeOf(options.activation_dtype));
  // A window is filled by long texts, so only a context that was asked for makes it smaller.
  const bool asked = options.context_tokens > 0;
  const int64_t context =
      asked ? options.context_tokens
            : std::max(config.window == kNoWindow ? 0 : config.window, config.max_position_embeddings);

  ModelSizes sizes;
  sizes.parameters = ParameterCount(config);
  sizes.matmul_parameters = MatMulParameters(config);
  sizes.weight_bytes = WeightBytes(config, options.weight_dtype);
  if (attention_layers > 0) sizes.kv_tokens = std::min<int64_t>(config.window, context);
  sizes.sequence = {
      .ssm = mamba_layers * config.d_inner * config.d_state * static_cast<int64_t>(sizeof(float)),
      .conv = mamba_layers * config.d_inner * std::max(config.conv_width - 1, 0) * activation_bytes,
      .kv = attention_layers * 2 * config.kv_heads * config.head_dim * sizes.kv_tokens * activation_bytes};
  const int64_t left = options.memory_bytes - sizes.weight_bytes;
  if (left > 0 && sizes.sequence.total() > 0) sizes.sequences_that_fit = left / sizes.sequence.total();
  return sizes;
}

std::string DescribeModel(const ModelConfig& config, const InspectOptions& options, std::string_view name) {
  const ModelSizes sizes = MeasureModel(config, options);
  std::string out = Concat(name, "\n");
  const auto line = [&out](const char* label, const std::string& text) {
    absl::StrAppendFormat(&out, "  %-14s %s\n", label, text);
  };
  line("layers",
       Concat(config.num_layers(), ": ", LayerPattern(config.layers), config.has_mlp ? ", each with an MLP" : ""));
  line("width", Concat("d_model ", config.d_model, config.has_mlp ? Concat(", MLP ", config.mlp_width) : ""));
  if (config.CountLayers(LayerKind::kMamba) > 0) {
    line("Mamba", Concat("d_inner ", config.d_inner, ", d_state ", config.d_state, ", dt_rank ", config.dt_rank));
  }
  if (config.CountLayers(LayerKind::kAttention) > 0) {
    const std::string rope = config.rope_theta > 0 ? Concat("RoPE base ", config.rope_theta) : "no RoPE";
    line("attention", Concat(config.heads, " query and ", config.kv_heads, " key/value heads of ", config.head_dim,
                             ", ", WindowText(config), ", ", rope));
  }
  line("vocabulary", Concat(config.vocab_size, config.tie_embeddings ? ", embeddings tied" : ""));
  line("parameters", Concat(HumanCount(sizes.parameters), ", of which ", HumanCount(sizes.matmul_parameters),
                            " multiply each token"));
  line("weights", Concat(HumanBytes(sizes.weight_bytes), " with matrices in ", NameOf(options.weight_dtype)));

  const std::string kv_tokens = config.window == kNoWindow ? Concat(" of ", sizes.kv_tokens, " tokens of context")
                                                           : Concat(" of ", sizes.kv_tokens, " tokens");
  line("per sequence",
       Concat(HumanBytes(sizes.sequence.total()), ": SSM ", HumanBytes(sizes.sequence.ssm), ", convolution ",
              HumanBytes(sizes.sequence.conv), ", K/V ", HumanBytes(sizes.sequence.kv),
              sizes.kv_tokens > 0 ? kv_tokens : "", " (", NameOf(options.activation_dtype), ")"));
  if (options.memory_bytes > 0) {
    line("fits", sizes.weight_bytes > options.memory_bytes
                     ? Concat("not in ", HumanBytes(options.memory_bytes), ": the weights alone are larger")
                     : Concat("at most ", sizes.sequences_that_fit, " sequences beside the weights in ",
                              HumanBytes(options.memory_bytes), ", before workspace"));
  }
  return out;
}

}  // namespace batucada
