#include <boost/json/serialize.hpp>
#include <cmath>
#include <string>

#include "base/strings.h"
#include "engine/model/architectures/architectures.h"
#include "engine/model/architectures/config_readers.h"

namespace batucada {
namespace {

// `sliding_window` comes in three forms: a number, a list with one entry for each layer, and a number beside
// `layer_types`. All follow from the number of layers; what says otherwise is another model.
int32_t ReadWindow(const JsonObject& root, int32_t layers) {
  const boost::json::value* window = root.Find("sliding_window");
  if (window == nullptr || !window->is_array()) {
    return static_cast<int32_t>(root.Int("sliding_window", {.min = 1, .max = kNoWindow - 1}));
  }
  const boost::json::array& list = window->get_array();
  const auto fail = [&root](const std::string& problem) {
    root.Fail("sliding_window", problem);
    return 1;
  };
  if (list.size() != static_cast<size_t>(layers)) return fail(Concat("lists ", list.size(), " layers of ", layers));
  int64_t width = 0;
  for (int32_t i = 0; i < layers; ++i) {
    const boost::json::value& entry = list[static_cast<size_t>(i)];
    const bool windowed = i % 2 == 1 && i < layers / 2;
    if (windowed ? !entry.is_int64() : !entry.is_null()) {
      return fail(Concat("of layer ", i, " is ", Printable(boost::json::serialize(entry)), ", expected ",
                         windowed ? "a number: it is" : "null: it is not", " one of the windowed layers"));
    }
    if (!windowed) continue;
    if (width != 0 && entry.get_int64() != width) return fail("differs between layers");
    width = entry.get_int64();
  }
  return width >= 1 && width < kNoWindow ? static_cast<int32_t>(width) : fail(Concat("is ", width));
}

void ReadPhi4Flash(const JsonObject& root, ModelConfig* config) {
  RequireSilu(root);
  for (const std::string_view key : {"mlp_bias", "lm_head_bias", "mamba_proj_bias"}) {
    if (root.BoolOr(key, false)) root.Fail(key, "is true: this projection with a bias is not supported");
  }
  if (!root.BoolOr("mamba_conv_bias", true)) {
    root.Fail("mamba_conv_bias", "is false: the convolution must have its bias");
  }
  if (!root.BoolOr("tie_word_embeddings", true)) {
    root.Fail("tie_word_embeddings", "is false: there are no such models");
  }
  if (const int64_t every = root.IntOr("mb_per_layer", 2, {.min = 1, .max = kMaxLayers}); every != 2) {
    root.Fail("mb_per_layer", Concat("is ", every, ", only 2 is supported"));
  }
  const int32_t layers = config->num_layers(), half = layers / 2;
  if (layers % 4 != 0) root.Fail("num_hidden_layers", Concat("is ", layers, ", expected a multiple of 4"));
  const NormSpec norm{.kind = NormKind::kLayer,
                      .eps = static_cast<float>(root.NumberOr("layer_norm_eps", 1e-5, {.min = 1e-12, .max = 0.1}))};
  MambaSpec mamba = ReadMambaSpec(root,
                                  {.inner = "",
                                   .expand = "mamba_expand",
                                   .state = "mamba_d_state",
                                   .conv = "mamba_d_conv",
                                   .rank = "mamba_dt_rank"},
                                  config->d_model);
  AttentionSpec attention;
  ReadHeads(root, {.heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .head_dim = "head_dim"},
            config->d_model, &attention);
  if (!root.ok()) return;
  if (attention.kv_heads % 2 != 0) {
    root.Fail("num_key_value_heads", Concat("is ", attention.kv_heads, ", expected an even number: heads are paired"));
  }
  attention.differential = true;
  attention.bias = true;
  const int32_t window = ReadWindow(root, layers);
  const MlpSpec mlp{.kind = MlpKind::kSwiGlu,
                    .width = static_cast<int32_t>(root.Int("intermediate_size", {.min = 1, .max = kMaxMlpWidth}))};
  config->final_norm = norm;
  config->tie_embeddings = true;
  for (int32_t i = 0; i < layers; ++i) {
    LayerSpec& layer = config->layers[static_cast<size_t>(i)];
    layer.norm = norm;
    layer.mlp = mlp;
    const bool cross = i >= half + 2;
    if (i % 2 == 0) {
      mamba.publishes_memory = i == half;
      cross ? layer.mixer = GmuSpec{.d_inner = mamba.d_inner} : layer.mixer = mamba;
    } else {
      attention.lambda_init = static_cast<float>(0.8 - 0.6 * std::exp(-0.3 * i));
      attention.window = i < half ? window : kNoWindow;
      attention.source = cross ? half + 1 : -1;
      layer.mixer = attention;
    }
  }
  // From the K and V of layer half + 1 on, a token's layers feed nothing but its own logits.
  config->sampled_from = half + 1;
}

constexpr TensorLine kPhi4FlashTensors[] = {
    {"model.embed_tokens.weight", {Part::kEmbeddings}},
    {"model.layers.*.input_layernorm.weight", {Part::kMixerNorm}},
    {"model.layers.*.input_layernorm.bias", {Part::kMixerNormBias}},
    {"model.layers.*.attn.in_proj.weight", {Part::kInX, Part::kInZ}},
    {"model.layers.*.attn.conv1d.weight", {Part::kConv}},
    {"model.layers.*.attn.conv1d.bias", {Part::kConvBias}},
    {"model.layers.*.attn.x_proj.weight", {Part::kDtLow, Part::kB, Part::kC}},
    {"model.layers.*.attn.dt_proj.weight", {Part::kDt}},
    {"model.layers.*.attn.dt_proj.bias", {Part::kDtBias}},
    {"model.layers.*.attn.A_log", {Part::kALog}},
    {"model.layers.*.attn.D", {Part::kSkip}},
    {"model.layers.*.attn.out_proj.weight", {Part::kMambaOut}},
    {"model.layers.*.attn.in_proj.weight", {Part::kGmuIn}},
    {"model.layers.*.attn.out_proj.weight", {Part::kGmuOut}},
    {"model.layers.*.attn.Wqkv.weight", {Part::kQuery, Part::kKey, Part::kValue}},
    {"model.layers.*.attn.Wqkv.bias", {Part::kQueryBias, Part::kKeyBias, Part::kValueBias}},
    {"model.layers.*.attn.out_proj.weight", {Part::kAttentionOut}},
    {"model.layers.*.attn.out_proj.bias", {Part::kAttentionOutBias}},
    {"model.layers.*.attn.inner_cross_attn.lambda_q1", {Part::kLambdaQ1}},
    {"model.layers.*.attn.inner_cross_attn.lambda_k1", {Part::kLambdaK1}},
    {"model.layers.*.attn.inner_cross_attn.lambda_q2", {Part::kLambdaQ2}},
    {"model.layers.*.attn.inner_cross_attn.lambda_k2", {Part::kLambdaK2}},
    {"model.layers.*.attn.inner_cross_attn.subln.weight", {Part::kPairNorm}},
    {"model.layers.*.post_attention_layernorm.weight", {Part::kMlpNorm}},
    {"model.layers.*.post_attention_layernorm.bias", {Part::kMlpNormBias}},
    {"model.layers.*.mlp.fc1.weight", {Part::kGate, Part::kUp}},
    {"model.layers.*.mlp.fc2.weight", {Part::kDown}},
    {"model.final_layernorm.weight", {Part::kFinalNorm}},
    {"model.final_layernorm.bias", {Part::kFinalNormBias}},
    {"lm_head.weight", {Part::kHead}},
};

}  // namespace

constinit const Architecture kPhi4Flash{
    .model_type = "phi4flash", .read = ReadPhi4Flash, .tensors = kPhi4FlashTensors, .pads_vocabulary = true};

}  // namespace batucada
