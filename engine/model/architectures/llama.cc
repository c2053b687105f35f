#include <string>

#include "base/strings.h"
#include "engine/model/architectures/architectures.h"
#include "engine/model/architectures/config_readers.h"

namespace batucada {
namespace {

// The base of the rotation. What stretches it stands in `rope_scaling`, or since transformers 5 in `rope_parameters`,
// which holds the base, too; none of that is served.
float ReadRopeTheta(const JsonObject& root) {
  constexpr double kTheta = 10000;
  constexpr NumberRange kThetas = {.min = 1, .max = 1e12};
  const auto plain = [](const JsonObject& rope, std::string_view key) {
    const std::string type = rope.StringOr(key, "default");
    if (type != "default") rope.Fail(key, Concat("is \"", Printable(type), "\", only \"default\" is supported"));
  };
  double theta = root.NumberOr("rope_theta", kTheta, kThetas);
  if (root.Has("rope_parameters")) {
    const JsonObject rope = root.Object("rope_parameters");
    theta = rope.NumberOr("rope_theta", theta, kThetas);
    plain(rope, "rope_type");
  }
  if (root.Has("rope_scaling")) {
    const JsonObject rope = root.Object("rope_scaling");
    plain(rope, rope.Has("rope_type") ? "rope_type" : "type");
  }
  return static_cast<float>(theta);
}

void ReadTransformer(const JsonObject& root, ModelConfig* config) {
  RequireSilu(root);
  for (const std::string_view key : {"attention_bias", "mlp_bias"}) {
    if (root.BoolOr(key, false)) root.Fail(key, "is true: projections with a bias are not supported");
  }
  if (root.NumberOr("partial_rotary_factor", 1, {.min = 0, .max = 1}) != 1) {
    root.Fail("partial_rotary_factor", "is not 1: rotating a part of a head is not supported");
  }
  AttentionSpec attention;
  ReadHeads(root, {.heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .head_dim = "head_dim"},
            config->d_model, &attention);
  attention.rope_theta = ReadRopeTheta(root);
  const MlpSpec mlp{.kind = MlpKind::kSwiGlu,
                    .width = static_cast<int32_t>(root.Int("intermediate_size", {.min = 1, .max = kMaxMlpWidth}))};
  config->final_norm = {.kind = NormKind::kRms,
                        .eps = static_cast<float>(root.NumberOr("rms_norm_eps", 1e-6, {.min = 1e-12, .max = 0.1}))};
  for (LayerSpec& layer : config->layers) layer = {.mixer = attention, .norm = config->final_norm, .mlp = mlp};
  config->tie_embeddings = root.BoolOr("tie_word_embeddings", false);
}

void ReadLlama(const JsonObject& root, ModelConfig* config) {
  if (root.Has("sliding_window")) {
    root.Fail("sliding_window", "is set, but Llama has none: model_type \"mistral\" has");
  }
  ReadTransformer(root, config);
}

// The window of every layer. Older files say 4096 or null; a file that says nothing gets what its class does, 4096.
void ReadMistral(const JsonObject& root, ModelConfig* config) {
  ReadTransformer(root, config);
  const int64_t absent = root.Mentions("sliding_window") ? kNoWindow : 4096;
  const int64_t window = root.IntOr("sliding_window", absent, {.min = 1, .max = kNoWindow - 1});
  for (LayerSpec& layer : config->layers) {
    if (auto* attention = std::get_if<AttentionSpec>(&layer.mixer)) attention->window = static_cast<int32_t>(window);
  }
}

constexpr TensorLine kTensors[] = {
    {"model.embed_tokens.weight", {Part::kEmbeddings}},
    {"model.layers.*.input_layernorm.weight", {Part::kMixerNorm}},
    {"model.layers.*.self_attn.q_proj.weight", {Part::kQuery}},
    {"model.layers.*.self_attn.k_proj.weight", {Part::kKey}},
    {"model.layers.*.self_attn.v_proj.weight", {Part::kValue}},
    {"model.layers.*.self_attn.o_proj.weight", {Part::kAttentionOut}},
    {"model.layers.*.post_attention_layernorm.weight", {Part::kMlpNorm}},
    {"model.layers.*.mlp.gate_proj.weight", {Part::kGate}},
    {"model.layers.*.mlp.up_proj.weight", {Part::kUp}},
    {"model.layers.*.mlp.down_proj.weight", {Part::kDown}},
    {"model.norm.weight", {Part::kFinalNorm}},
    {"lm_head.weight", {Part::kHead}},
};

}  // namespace

constinit const Architecture kLlama{.model_type = "llama", .read = ReadLlama, .tensors = kTensors};
constinit const Architecture kMistral{.model_type = "mistral", .read = ReadMistral, .tensors = kTensors};

}  // namespace batucada
