#include "engine/model/inspect.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/human_bytes.h"
#include "base/strings.h"
#include "engine/model/state_shape_of.h"

namespace batucada {
namespace {

std::string HumanCount(int64_t count) {
  if (count >= 1'000'000'000) return absl::StrFormat("%.2f B", static_cast<double>(count) / 1e9);
  if (count >= 1'000'000) return absl::StrFormat("%.1f M", static_cast<double>(count) / 1e6);
  return Concat(count);
}

std::string_view NameOf(MixerKind kind) {
  switch (kind) {
    case MixerKind::kMamba: return "Mamba";
    case MixerKind::kAttention: return "attention";
    case MixerKind::kGmu: return "GMU";
  }
  return "?";
}

// "12 × (Mamba, attention)" where the pattern repeats, else "3 × Mamba, attention, 2 × Mamba".
std::string LayerPattern(const ModelConfig& config) {
  std::vector<MixerKind> layers;
  for (const LayerSpec& layer : config.layers) layers.push_back(layer.kind());
  bool alternates = layers.size() >= 4 && layers.size() % 2 == 0 && layers[0] != layers[1];
  for (size_t i = 2; i < layers.size(); ++i) alternates = alternates && layers[i] == layers[i - 2];
  if (alternates) return Concat(layers.size() / 2, " × (", NameOf(layers[0]), ", ", NameOf(layers[1]), ")");
  std::vector<std::string> runs;
  for (size_t begin = 0, end = 0; begin < layers.size(); begin = end) {
    while (end < layers.size() && layers[end] == layers[begin]) ++end;
    const size_t length = end - begin;
    runs.push_back(length == 1 ? std::string(NameOf(layers[begin])) : Concat(length, " × ", NameOf(layers[begin])));
  }
  return absl::StrJoin(runs, ", ");
}

std::string WindowText(const AttentionSpec& attention) {
  return attention.window == kNoWindow ? "no window" : Concat("window ", attention.window, " tokens");
}

// One line for each way in which the model's layers of a kind are made: most models have one.
template <typename Spec, typename Text>
std::vector<std::string> Variants(const ModelConfig& config, const Text& text) {
  std::vector<std::string> lines;
  for (const LayerSpec& layer : config.layers) {
    const Spec* const spec = std::get_if<Spec>(&layer.mixer);
    if (spec == nullptr) continue;
    if (std::string line = text(*spec); std::find(lines.begin(), lines.end(), line) == lines.end()) {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

}  // namespace

ModelSizes MeasureModel(const ModelConfig& config, const InspectOptions& options) {
  const StateShape shape = StateShapeOf(config, /*block_tokens=*/1, options.activation_dtype);
  // A window is filled by long texts, so only a context that was asked for makes it smaller.
  const bool asked = options.context_tokens > 0;
  const auto tokens_of = [&](const KvGroup& group) -> int64_t {
    if (asked) return std::min<int64_t>(group.window, options.context_tokens);
    return group.grows() ? config.max_position_embeddings : group.window;
  };

  ModelSizes sizes;
  sizes.parameters = ParameterCount(config);
  sizes.matmul_parameters = MatMulParameters(config);
  sizes.weight_bytes = WeightBytes(config, options.weight_dtype);
  for (const RecurrentGroup& group : shape.recurrent) {
    sizes.sequence.ssm += group.layers * shape.SsmBytes(group);
    sizes.sequence.conv += group.layers * shape.ConvBytes(group);
  }
  for (const KvGroup& group : shape.kv) {
    const int64_t tokens = tokens_of(group);
    sizes.kv_tokens = std::max(sizes.kv_tokens, tokens);
    sizes.sequence.kv += tokens * shape.BlockBytes(group);
  }
  sizes.control_bytes = shape.ControlBytes();
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
  const MlpSpec* const mlp = config.FirstMlp();
  line("layers", Concat(config.num_layers(), ": ", LayerPattern(config), mlp != nullptr ? ", each with an MLP" : ""));
  line("width", Concat("d_model ", config.d_model, mlp != nullptr ? Concat(", MLP ", mlp->width) : ""));
  for (const std::string& text : Variants<MambaSpec>(config, [](const MambaSpec& mamba) {
         return Concat("d_inner ", mamba.d_inner, ", d_state ", mamba.d_state, ", dt_rank ", mamba.dt_rank);
       })) {
    line("Mamba", text);
  }
  for (const std::string& text : Variants<AttentionSpec>(config, [](const AttentionSpec& attention) {
         const std::string rope = attention.rope.rotates() ? Concat("RoPE base ", attention.rope.theta) : "no RoPE";
         return Concat(attention.heads, " query and ", attention.kv_heads, " key/value heads of ", attention.head_dim,
                       ", ", attention.source < 0 ? WindowText(attention) : Concat("K/V of layer ", attention.source),
                       ", ", rope, attention.differential ? ", differential" : "");
       })) {
    line("attention", text);
  }
  line("vocabulary", Concat(config.vocab_size, config.tie_embeddings ? ", embeddings tied" : ""));
  line("parameters", Concat(HumanCount(sizes.parameters), " (", sizes.parameters, "), of which ",
                            HumanCount(sizes.matmul_parameters), " multiply each token"));
  line("weights", Concat(HumanBytes(sizes.weight_bytes), " with matrices in ", NameOf(options.weight_dtype)));

  const std::string kv_tokens = Concat(" of ", sizes.kv_tokens, config.Window() ? " tokens" : " tokens of context");
  line("per sequence",
       Concat(HumanBytes(sizes.sequence.total()), ": SSM ", HumanBytes(sizes.sequence.ssm), ", convolution ",
              HumanBytes(sizes.sequence.conv), ", K/V ", HumanBytes(sizes.sequence.kv),
              sizes.kv_tokens > 0 ? kv_tokens : "", " (", NameOf(options.activation_dtype), ")"));
  line("with controls",
       Concat(HumanBytes(sizes.control_bytes), " more, where a request has penalties, biases, bans or least lengths"));
  if (options.memory_bytes > 0) {
    line("fits", sizes.weight_bytes > options.memory_bytes
                     ? Concat("not in ", HumanBytes(options.memory_bytes), ": the weights alone are larger")
                     : Concat("at most ", sizes.sequences_that_fit, " sequences beside the weights in ",
                              HumanBytes(options.memory_bytes), ", before workspace"));
  }
  return out;
}

}  // namespace batucada
