#include "base/strings.h"
#include "engine/model/architectures/architectures.h"
#include "engine/model/architectures/config_readers.h"

namespace batucada {
namespace {

void ReadJamba(const JsonObject& root, ModelConfig* config) {
  RequireSilu(root);
  if (const int64_t experts = root.IntOr("num_experts", 16, {.min = 1, .max = 65536}); experts != 1) {
    root.Fail("num_experts",
              Concat("is ", experts, ": mixtures of experts are not supported, only dense models, with 1"));
  }
  if (!root.BoolOr("mamba_conv_bias", true)) {
    root.Fail("mamba_conv_bias", "is false: the convolution must have its bias");
  }
  if (root.BoolOr("mamba_proj_bias", false)) {
    root.Fail("mamba_proj_bias", "is true: projections with a bias are not supported");
  }
  const float eps = static_cast<float>(root.NumberOr("rms_norm_eps", 1e-6, {.min = 1e-12, .max = 0.1}));
  MambaSpec mamba = ReadMambaSpec(root,
                                  {.inner = "",
                                   .expand = "mamba_expand",
                                   .state = "mamba_d_state",
                                   .conv = "mamba_d_conv",
                                   .rank = "mamba_dt_rank"},
                                  config->d_model);
  mamba.inner_norms = InnerNorms::kWeighted;
  mamba.inner_eps = eps;
  const int64_t period = root.IntOr("attn_layer_period", 8, {.min = 1, .max = kMaxLayers});
  const int64_t offset = root.IntOr("attn_layer_offset", 4, {.min = 0, .max = kMaxLayers - 1});
  if (offset >= period) {
    root.Fail("attn_layer_offset", Concat("is ", offset, ", expected less than attn_layer_period ", period));
  }
  AttentionSpec attention;  // without rotation
  ReadHeads(root, {.heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .head_dim = "head_dim"},
            config->d_model, &attention);
  attention.window = static_cast<int32_t>(root.IntOr("sliding_window", kNoWindow, {.min = 1, .max = kNoWindow - 1}));
  const MlpSpec mlp{.kind = MlpKind::kSwiGlu,
                    .width = static_cast<int32_t>(root.Int("intermediate_size", {.min = 1, .max = kMaxMlpWidth}))};
  config->final_norm = {.kind = NormKind::kRms, .eps = eps};
  for (size_t i = 0; i < config->layers.size(); ++i) {
    LayerSpec& layer = config->layers[i];
    layer.norm = config->final_norm;
    layer.mlp = mlp;
    static_cast<int64_t>(i) % period == offset ? layer.mixer = attention : layer.mixer = mamba;
  }
  config->tie_embeddings = root.BoolOr("tie_word_embeddings", false);
}

constexpr TensorLine kJambaTensors[] = {
    {"model.embed_tokens.weight", {Part::kEmbeddings}},
    {"model.layers.*.input_layernorm.weight", {Part::kMixerNorm}},
    {"model.layers.*.mamba.in_proj.weight", {Part::kInX, Part::kInZ}},
    {"model.layers.*.mamba.conv1d.weight", {Part::kConv}},
    {"model.layers.*.mamba.conv1d.bias", {Part::kConvBias}},
    {"model.layers.*.mamba.x_proj.weight", {Part::kDtLow, Part::kB, Part::kC}},
    {"model.layers.*.mamba.dt_layernorm.weight", {Part::kDtNorm}},
    {"model.layers.*.mamba.b_layernorm.weight", {Part::kBNorm}},
    {"model.layers.*.mamba.c_layernorm.weight", {Part::kCNorm}},
    {"model.layers.*.mamba.dt_proj.weight", {Part::kDt}},
    {"model.layers.*.mamba.dt_proj.bias", {Part::kDtBias}},
    {"model.layers.*.mamba.A_log", {Part::kALog}},
    {"model.layers.*.mamba.D", {Part::kSkip}},
    {"model.layers.*.mamba.out_proj.weight", {Part::kMambaOut}},
    {"model.layers.*.self_attn.q_proj.weight", {Part::kQuery}},
    {"model.layers.*.self_attn.k_proj.weight", {Part::kKey}},
    {"model.layers.*.self_attn.v_proj.weight", {Part::kValue}},
    {"model.layers.*.self_attn.o_proj.weight", {Part::kAttentionOut}},
    {"model.layers.*.pre_ff_layernorm.weight", {Part::kMlpNorm}},
    {"model.layers.*.feed_forward.gate_proj.weight", {Part::kGate}},
    {"model.layers.*.feed_forward.up_proj.weight", {Part::kUp}},
    {"model.layers.*.feed_forward.down_proj.weight", {Part::kDown}},
    {"model.final_layernorm.weight", {Part::kFinalNorm}},
    {"lm_head.weight", {Part::kHead}},
};

}  // namespace

constinit const Architecture kJamba{.model_type = "jamba", .read = ReadJamba, .tensors = kJambaTensors};

}  // namespace batucada
