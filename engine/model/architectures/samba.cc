#include <cmath>

#include "base/rounding.h"
#include "base/strings.h"
#include "engine/model/architectures/architectures.h"
#include "engine/model/architectures/config_readers.h"

namespace batucada {
namespace {

// How `attn` is written: as one specification, or as a list, where rope_theta has a default.
enum class AttentionForm : uint8_t { kOne, kList };

AttentionSpec ReadAttention(const JsonObject& attn, AttentionForm form, int32_t d_model) {
  AttentionSpec spec;
  if (attn.BoolOr("qkv_bias", false)) attn.Fail("qkv_bias", "is true: projections with a bias are not supported");
  if (attn.BoolOr("qk_norm", false)) attn.Fail("qk_norm", "is true, which is not supported");
  ReadHeads(attn, {.heads = "num_heads", .kv_heads = "num_kv_heads", .head_dim = "head_dim"}, d_model, &spec);
  if (!attn.ok()) return spec;
  // Past 2^31 - 2 a window is no window.
  spec.window = static_cast<int32_t>(attn.IntOr("window_size", kNoWindow, {.min = 1, .max = kNoWindow - 1}));
  const bool says_theta = attn.Mentions("rope_theta");
  if (!says_theta && form == AttentionForm::kOne) {
    attn.Fail("rope_theta", "is missing: expected the base of the rotary embedding, null or 0 for no rotation");
  }
  spec.rope.theta = static_cast<float>(attn.NumberOr("rope_theta", says_theta ? 0 : 10000, {.min = 0, .max = 1e12}));
  if (spec.rope.theta != 0 && spec.rope.theta < 1) {
    attn.Fail("rope_theta", "is below 1, expected 0 (no rotation) or a base of at least 1");
  }
  return spec;
}

// One specification of attention layers; each may differ from the others.
void ReadSpecification(const JsonObject& attn, AttentionForm form, ModelConfig* config) {
  if (!attn.Has("layers")) attn.Fail("layers", "is missing: expected the list of attention layers, [] for none");
  const std::vector<int64_t> layers = attn.Ints("layers", {.min = 0, .max = config->num_layers() - 1});
  if (layers.empty()) return;
  const AttentionSpec spec = ReadAttention(attn, form, config->d_model);
  for (const int64_t layer : layers) {
    MixerSpec& mixer = config->layers[static_cast<size_t>(layer)].mixer;
    if (std::holds_alternative<AttentionSpec>(mixer)) attn.Fail("layers", Concat("names layer ", layer, " twice"));
    mixer = spec;
  }
}

// `attn`: one specification, or a list of them.
void ReadAttentionLayers(const JsonObject& root, ModelConfig* config) {
  if (!root.Find("attn")->is_array()) {
    return ReadSpecification(root.Object("attn"), AttentionForm::kOne, config);
  }
  for (const JsonObject& attn : root.Objects("attn")) {
    ReadSpecification(attn, AttentionForm::kList, config);
  }
}

MlpSpec ReadMlp(const JsonObject& root, int32_t d_model) {
  // As flash-linear-attention's GatedMLP sizes it: int(d · ratio · 2/3), rounded up to a multiple of 256.
  const double ratio = root.NumberOr("hidden_ratio", 4, {.min = 0.01, .max = 16});
  const int64_t width = static_cast<int64_t>(std::floor(d_model * ratio * 2 / 3));
  const int64_t given = root.IntOr("mlp_width", RoundUp(width, 256), {.min = 1, .max = kMaxMlpWidth});
  return {.kind = MlpKind::kSwiGlu, .width = static_cast<int32_t>(given)};
}

NormSpec ReadNorm(const JsonObject& root) {
  const double eps = root.NumberOr("layer_norm_epsilon", 1e-5, {.min = 1e-12, .max = 0.1});  // the "mamba" spelling
  return {.kind = NormKind::kRms,
          .eps = static_cast<float>(root.NumberOr("norm_eps", eps, {.min = 1e-12, .max = 0.1}))};
}

// Mamba layers where there is no attention, norms, and what neither layout may ask for.
void ReadCommon(const JsonObject& root, ModelConfig* config) {
  if (root.BoolOr("use_bias", false)) root.Fail("use_bias", "is true: projections with a bias are not supported");
  if (!root.BoolOr("use_conv_bias", true)) {
    root.Fail("use_conv_bias", "is false: the convolution must have its bias");
  }
  RequireSilu(root);
  RefuseKeys(root, {"rope_scaling", "attnres_block_size"});
  if (config->CountLayers(MixerKind::kMamba) > 0) {
    const MambaSpec mamba = ReadMambaSpec(root, {.inner = "intermediate_size"}, config->d_model);
    for (LayerSpec& layer : config->layers) {
      if (layer.mamba() != nullptr) layer.mixer = mamba;
    }
  }
  config->final_norm = ReadNorm(root);
  for (LayerSpec& layer : config->layers) layer.norm = config->final_norm;
  // Absent means what each layout's own default is.
  config->tie_embeddings = root.BoolOr("tie_word_embeddings", config->model_type == "mamba");
}

void ReadSamba(const JsonObject& root, ModelConfig* config) {
  if (!root.Mentions("attn")) {
    root.Fail("attn", "is missing: expected an object whose \"layers\" lists the attention layers, [] for none");
  }
  if (root.Has("attn")) ReadAttentionLayers(root, config);  // null: none
  const MlpSpec mlp = ReadMlp(root, config->d_model);
  for (LayerSpec& layer : config->layers) layer.mlp = mlp;
  ReadCommon(root, config);
}

void ReadMamba(const JsonObject& root, ModelConfig* config) {
  if (root.Has("mlp_width")) root.Fail("mlp_width", "is set, but model_type \"mamba\" has no MLP");
  ReadCommon(root, config);
}

void ReadOriginal(const JsonObject& root, ModelConfig* config) {
  if (!root.BoolOr("rms_norm", true)) root.Fail("rms_norm", "is false: LayerNorm is not supported here");
  if (root.IntOr("d_intermediate", 0, {.min = 0, .max = kMaxMlpWidth}) != 0) {
    root.Fail("d_intermediate", "is not 0: an MLP after each mixer is not supported here");
  }
  if (!root.Ints("attn_layer_idx", {.min = 0, .max = kMaxLayers}).empty()) {
    root.Fail("attn_layer_idx", "is not empty: attention layers are not supported here");
  }
  MambaSpec mamba = ReadMambaSpec(root, {}, config->d_model);  // of nothing: the defaults
  if (root.Has("ssm_cfg")) {
    const JsonObject ssm = root.Object("ssm_cfg");
    if (const std::string layer = ssm.StringOr("layer", "Mamba1"); layer != "Mamba1") {
      ssm.Fail("layer", Concat("is \"", Printable(layer), "\", only \"Mamba1\" is supported"));
    }
    mamba = ReadMambaSpec(ssm, {.state = "d_state", .conv = "d_conv", .rank = "dt_rank"}, config->d_model);
  }
  config->final_norm = {.kind = NormKind::kRms, .eps = 1e-5F};
  for (LayerSpec& layer : config->layers) layer = {.mixer = mamba, .norm = config->final_norm};
  // The embedding has rows for a vocabulary of a round size.
  const auto multiple = static_cast<int32_t>(root.IntOr("pad_vocab_size_multiple", 8, {.min = 1, .max = 65536}));
  config->vocab_size = RoundUp(config->vocab_size, multiple);
  config->tie_embeddings = root.BoolOr("tie_embeddings", true);
}

// flash-linear-attention's names, which transformers' Mamba shares but for the norms.
constexpr TensorLine kSambaTensors[] = {
    {"backbone.embeddings.weight", {Part::kEmbeddings}},
    {"backbone.layers.*.mixer_norm.weight", {Part::kMixerNorm}},
    {"backbone.layers.*.mixer.in_proj.weight", {Part::kInX, Part::kInZ}},
    {"backbone.layers.*.mixer.conv1d.weight", {Part::kConv}},
    {"backbone.layers.*.mixer.conv1d.bias", {Part::kConvBias}},
    {"backbone.layers.*.mixer.x_proj.weight", {Part::kDtLow, Part::kB, Part::kC}},
    {"backbone.layers.*.mixer.dt_proj.weight", {Part::kDt}},
    {"backbone.layers.*.mixer.dt_proj.bias", {Part::kDtBias}},
    {"backbone.layers.*.mixer.A_log", {Part::kALog}},
    {"backbone.layers.*.mixer.D", {Part::kSkip}},
    {"backbone.layers.*.mixer.out_proj.weight", {Part::kMambaOut}},
    {"backbone.layers.*.mixer.q_proj.weight", {Part::kQuery}},
    {"backbone.layers.*.mixer.k_proj.weight", {Part::kKey}},
    {"backbone.layers.*.mixer.v_proj.weight", {Part::kValue}},
    {"backbone.layers.*.mixer.o_proj.weight", {Part::kAttentionOut}},
    {"backbone.layers.*.mlp_norm.weight", {Part::kMlpNorm}},
    {"backbone.layers.*.mlp.gate_proj.weight", {Part::kGate}},
    {"backbone.layers.*.mlp.up_proj.weight", {Part::kUp}},
    {"backbone.layers.*.mlp.down_proj.weight", {Part::kDown}},
    {"backbone.norm_f.weight", {Part::kFinalNorm}},
    {"lm_head.weight", {Part::kHead}},
};

constexpr Spelling kSpellings[] = {
    {Spelling::Where::kPrefix, "model.", "backbone."},
    {Spelling::Where::kPrefix, "backbone.embedding.", "backbone.embeddings."},  // state-spaces' own
    {Spelling::Where::kSuffix, ".norm.weight", ".mixer_norm.weight"},
};

}  // namespace

constinit const Architecture kSamba{.model_type = "samba",
                                    .read = ReadSamba,
                                    .tensors = kSambaTensors,
                                    .spellings = kSpellings,
                                    .mlp_width_from_file = true};
constinit const Architecture kMamba{
    .model_type = "mamba", .read = ReadMamba, .tensors = kSambaTensors, .spellings = kSpellings};

constinit const Architecture kMambaOriginal{.model_type = "mamba",
                                            .read = ReadOriginal,
                                            .tensors = kSambaTensors,
                                            .spellings = kSpellings,
                                            .keys = {.width = "d_model", .layers = "n_layer"}};

}  // namespace batucada
