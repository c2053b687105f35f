#include "engine/model/model_config.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"

namespace batucada {
namespace {

// Bounds far above any model there is, and low enough that no product of them leaves int64.
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxWidth = 65536;             // d_model
constexpr int64_t kMaxInner = int64_t{1} << 18;  // d_inner
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxConfigBytes = 4 << 20;

void RefuseWhatWouldChangeTheAnswer(const JsonObject& root) {
  if (root.BoolOr("use_bias", false)) root.Fail("use_bias", "is true: projections with a bias are not supported");
  if (!root.BoolOr("use_conv_bias", true)) {
    root.Fail("use_conv_bias", "is false: the convolution must have its bias");
  }
  const std::string act = root.StringOr("hidden_act", "swish");
  if (act != "swish" && act != "silu") {
    root.Fail("hidden_act", Concat("is \"", Printable(act), "\", expected \"swish\" or \"silu\""));
  }
  for (const std::string_view key : {"quantization_config", "rope_scaling", "attnres_block_size"}) {
    if (root.Has(key)) root.Fail(key, "is set, which is not supported");
  }
}

void ReadMamba(const JsonObject& root, ModelConfig* config) {
  constexpr int64_t kState = 16;
  constexpr int64_t kConv = 4;
  const int64_t expand = root.IntOr("expand", 2, {.min = 1, .max = 16});
  config->d_inner =
      static_cast<int32_t>(root.IntOr("intermediate_size", expand * config->d_model, {.min = 8, .max = kMaxInner}));
  // expand * d_model is bounded only here, where intermediate_size had its chance to replace it.
  if (config->d_inner > kMaxInner || config->d_inner % 8 != 0) {
    root.Fail("intermediate_size",
              Concat("(d_inner) comes to ", config->d_inner, ", expected a multiple of 8 of at most ", kMaxInner));
  }
  config->d_state = static_cast<int32_t>(root.IntOr("state_size", kState, {.min = 1, .max = 65536}));
  if (config->d_state != kState) {
    root.Fail("state_size", Concat("is ", config->d_state, ", only ", kState, " is supported"));
  }
  config->conv_width = static_cast<int32_t>(root.IntOr("conv_kernel", kConv, {.min = 1, .max = 65536}));
  if (config->conv_width != kConv) {
    root.Fail("conv_kernel", Concat("is ", config->conv_width, ", only ", kConv, " is supported"));
  }
  const boost::json::value* rank = root.Find("time_step_rank");
  const bool automatic = rank == nullptr || (rank->is_string() && rank->get_string() == "auto");
  config->dt_rank = automatic ? (config->d_model + 15) / 16
                              : static_cast<int32_t>(root.Int("time_step_rank", {.min = 1, .max = kMaxWidth}));
}

// How `attn` is written: as one specification, or as a list, where rope_theta has a default.
enum class AttentionForm : uint8_t { kOne, kList };

void ReadAttention(const JsonObject& attn, AttentionForm form, ModelConfig* config) {
  if (attn.BoolOr("qkv_bias", false)) attn.Fail("qkv_bias", "is true: projections with a bias are not supported");
  if (attn.BoolOr("qk_norm", false)) attn.Fail("qk_norm", "is true, which is not supported");
  config->heads = static_cast<int32_t>(attn.Int("num_heads", {.min = 1, .max = kMaxHeads}));
  config->kv_heads = static_cast<int32_t>(attn.IntOr("num_kv_heads", config->heads, {.min = 1, .max = kMaxHeads}));
  if (!attn.ok()) return;
  if (config->heads % config->kv_heads != 0) {
    attn.Fail("num_kv_heads", Concat("is ", config->kv_heads, ", which does not divide num_heads ", config->heads));
  }
  if (!attn.Has("head_dim") && config->d_model % config->heads != 0) {
    attn.Fail("num_heads", Concat("is ", config->heads, ", which does not divide hidden_size ", config->d_model,
                                  "; set attn.head_dim"));
  }
  config->head_dim =
      static_cast<int32_t>(attn.IntOr("head_dim", config->d_model / config->heads, {.min = 1, .max = kMaxWidth}));
  if (config->head_dim != 64 && config->head_dim != 128 && config->head_dim != 256) {
    attn.Fail("head_dim", Concat("comes to ", config->head_dim, ", supported are 64, 128 and 256"));
  }
  // Past 2^31 - 2 a window is no window.
  config->window = static_cast<int32_t>(attn.IntOr("window_size", kNoWindow, {.min = 1, .max = kNoWindow - 1}));
  const bool says_theta = attn.Mentions("rope_theta");
  if (!says_theta && form == AttentionForm::kOne) {
    attn.Fail("rope_theta", "is missing: expected the base of the rotary embedding, null or 0 for no rotation");
  }
  config->rope_theta = static_cast<float>(attn.NumberOr("rope_theta", says_theta ? 0 : 10000, {.min = 0, .max = 1e12}));
  if (config->rope_theta != 0 && config->rope_theta < 1) {
    attn.Fail("rope_theta", "is below 1, expected 0 (no rotation) or a base of at least 1");
  }
}

// One specification of attention layers. `is_first`: of those that have layers.
void ReadSpecification(const JsonObject& attn, AttentionForm form, ModelConfig* config, bool* is_first) {
  if (!attn.Has("layers")) attn.Fail("layers", "is missing: expected the list of attention layers, [] for none");
  const std::vector<int64_t> layers = attn.Ints("layers", {.min = 0, .max = config->num_layers() - 1});
  for (const int64_t layer : layers) {
    LayerKind& kind = config->layers[static_cast<size_t>(layer)];
    if (kind == LayerKind::kAttention) attn.Fail("layers", Concat("names layer ", layer, " twice"));
    kind = LayerKind::kAttention;
  }
  if (layers.empty()) return;
  if (std::exchange(*is_first, false)) return ReadAttention(attn, form, config);
  ModelConfig other = *config;
  ReadAttention(attn, form, &other);
  if (!attn.ok()) return;
  const auto same = [&](std::string_view key, auto ModelConfig::*member) {
    if (other.*member == config->*member) return;
    attn.Fail(key, Concat("is ", other.*member, ", but ", config->*member,
                          " in an earlier specification: all attention layers must be alike"));
  };
  same("num_heads", &ModelConfig::heads);
  same("num_kv_heads", &ModelConfig::kv_heads);
  same("head_dim", &ModelConfig::head_dim);
  same("window_size", &ModelConfig::window);
  same("rope_theta", &ModelConfig::rope_theta);
}

// `attn`: one specification, or a list of them as flash-linear-attention writes it since 0.6.
void ReadAttentionLayers(const JsonObject& root, ModelConfig* config) {
  bool is_first = true;
  if (!root.Find("attn")->is_array()) {
    return ReadSpecification(root.Object("attn"), AttentionForm::kOne, config, &is_first);
  }
  for (const JsonObject& attn : root.Objects("attn")) {
    ReadSpecification(attn, AttentionForm::kList, config, &is_first);
  }
}

void ReadLayers(const JsonObject& root, ModelConfig* config) {
  const int64_t count = root.Int("num_hidden_layers", {.min = 1, .max = kMaxLayers});
  config->layers.assign(static_cast<size_t>(count), LayerKind::kMamba);
  if (config->model_type == "mamba") return;
  if (!root.Mentions("attn")) {
    root.Fail("attn", "is missing: expected an object whose \"layers\" lists the attention layers, [] for none");
  }
  if (root.Has("attn")) ReadAttentionLayers(root, config);  // null: none
}

void ReadMlp(const JsonObject& root, ModelConfig* config) {
  config->has_mlp = config->model_type == "samba";
  if (!config->has_mlp) {
    if (root.Has("mlp_width")) root.Fail("mlp_width", "is set, but model_type \"mamba\" has no MLP");
    return;
  }
  // As flash-linear-attention's GatedMLP sizes it: int(d · ratio · 2/3), rounded up to a multiple of 256.
  const double ratio = root.NumberOr("hidden_ratio", 4, {.min = 0.01, .max = 16});
  const int64_t width = static_cast<int64_t>(std::floor(config->d_model * ratio * 2 / 3));
  config->mlp_width =
      static_cast<int32_t>(root.IntOr("mlp_width", (width + 255) / 256 * 256, {.min = 1, .max = kMaxMlpWidth}));
}

void ReadTokens(const JsonObject& root, ModelConfig* config) {
  const IntRange ids = {.min = 0, .max = config->vocab_size - 1};
  if (root.Has("bos_token_id")) config->bos_token_id = static_cast<int32_t>(root.Int("bos_token_id", ids));
  for (const int64_t id : root.Ints("eos_token_id", ids, JsonObject::ListForm::kOneOrMany)) {
    config->eos_token_ids.push_back(static_cast<int32_t>(id));
  }
}

}  // namespace

int32_t ModelConfig::CountLayers(LayerKind kind) const {
  return static_cast<int32_t>(std::count(layers.begin(), layers.end(), kind));
}

absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json) {
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document, ParseJson(json, "config.json"));
  absl::Status status;
  const JsonObject root(document, "config.json: ", &status);

  ModelConfig config;
  config.model_type = root.String("model_type");
  if (config.model_type != "samba" && config.model_type != "mamba") {
    root.Fail("model_type", Concat("is \"", Printable(config.model_type), "\", supported are \"samba\" and \"mamba\""));
  }
  RefuseWhatWouldChangeTheAnswer(root);
  config.vocab_size = static_cast<int32_t>(root.Int("vocab_size", {.min = 1, .max = kMaxVocab}));
  config.d_model = static_cast<int32_t>(root.Int("hidden_size", {.min = 8, .max = kMaxWidth}));
  if (config.d_model % 8 != 0) {
    root.Fail("hidden_size", Concat("is ", config.d_model, ", expected a multiple of 8"));
  }
  ReadLayers(root, &config);
  if (config.CountLayers(LayerKind::kMamba) > 0) ReadMamba(root, &config);
  ReadMlp(root, &config);
  const double eps = root.NumberOr("layer_norm_epsilon", 1e-5, {.min = 1e-12, .max = 0.1});  // the "mamba" spelling
  config.norm_eps = static_cast<float>(root.NumberOr("norm_eps", eps, {.min = 1e-12, .max = 0.1}));
  // Absent means what each layout's own default is.
  config.tie_embeddings = root.BoolOr("tie_word_embeddings", config.model_type == "mamba");
  ReadTokens(root, &config);
  config.max_position_embeddings =
      static_cast<int32_t>(root.IntOr("max_position_embeddings", 2048, {.min = 1, .max = INT32_MAX}));
  if (!status.ok()) return status;
  return config;
}

absl::StatusOr<ModelConfig> LoadModelConfig(const std::filesystem::path& dir) {
  BATUCADA_ASSIGN_OR_RETURN(const std::string json, ReadTextFile(dir / "config.json", kMaxConfigBytes));
  return ParseModelConfig(json);
}

}  // namespace batucada
