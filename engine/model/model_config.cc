#include "engine/model/model_config.h"

#include <algorithm>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/model/architecture.h"
#include "engine/model/architectures/config_readers.h"
#include "engine/pages/kv_need.h"

namespace batucada {
namespace {

constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxConfigBytes = 4 << 20;

void ReadTokens(const JsonObject& root, ModelConfig* config) {
  const IntRange ids = {.min = 0, .max = config->vocab_size - 1};
  if (root.Has("bos_token_id")) config->bos_token_id = static_cast<int32_t>(root.Int("bos_token_id", ids));
  for (const int64_t id : root.Ints("eos_token_id", ids, JsonObject::ListForm::kOneOrMany)) {
    config->eos_token_ids.push_back(static_cast<int32_t>(id));
  }
}

// Gives every layer that writes a cache one of its own, bottom to top.
void AssignCaches(ModelConfig* config) {
  for (LayerSpec& layer : config->layers) {
    if (layer.gmu() != nullptr) continue;
    if (const AttentionSpec* attention = layer.attention(); attention != nullptr && attention->source >= 0) {
      layer.cache = config->layers[static_cast<size_t>(attention->source)].cache;
      continue;
    }
    CacheSpec cache;
    if (const MambaSpec* mamba = layer.mamba()) {
      cache = {.kind = CacheKind::kRecurrent,
               .d_inner = mamba->d_inner,
               .d_state = mamba->d_state,
               .conv_width = mamba->conv_width};
    } else {
      const AttentionSpec& attention = *layer.attention();
      cache = {.kind = CacheKind::kKv,
               .kv_heads = attention.kv_heads,
               .head_dim = attention.head_dim,
               .window = attention.window};
    }
    layer.cache = static_cast<int32_t>(config->caches.size());
    config->caches.push_back(cache);
  }
}

// A sequence has a block table for each way in which layers keep keys and values.
absl::Status CheckCaches(const ModelConfig& config) {
  std::vector<CacheSpec> kinds;
  for (const CacheSpec& cache : config.caches) {
    if (cache.kind == CacheKind::kKv && std::find(kinds.begin(), kinds.end(), cache) == kinds.end()) {
      kinds.push_back(cache);
    }
  }
  if (kinds.size() <= size_t{kMaxKvGroups}) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("config.json: attention layers differ in ", kinds.size(),
                                           " ways in their K/V heads, head_dim and window, at most ", kMaxKvGroups,
                                           " are supported"));
}

}  // namespace

int32_t ModelConfig::CountLayers(MixerKind kind) const {
  return static_cast<int32_t>(
      std::count_if(layers.begin(), layers.end(), [kind](const LayerSpec& layer) { return layer.kind() == kind; }));
}

const MambaSpec* ModelConfig::FirstMamba() const {
  for (const LayerSpec& layer : layers) {
    if (layer.mamba() != nullptr) return layer.mamba();
  }
  return nullptr;
}

const AttentionSpec* ModelConfig::FirstAttention() const {
  for (const LayerSpec& layer : layers) {
    if (layer.attention() != nullptr) return layer.attention();
  }
  return nullptr;
}

const MlpSpec* ModelConfig::FirstMlp() const {
  for (const LayerSpec& layer : layers) {
    if (layer.has_mlp()) return &layer.mlp;
  }
  return nullptr;
}

std::optional<int32_t> ModelConfig::Window() const {
  std::optional<int32_t> widest;
  for (const LayerSpec& layer : layers) {
    if (layer.attention() == nullptr) continue;
    widest = std::max(widest.value_or(0), layer.attention()->window);
  }
  return widest == kNoWindow ? std::nullopt : widest;
}

absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json) {
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document, ParseJson(json, "config.json"));
  absl::Status status;
  const JsonObject root(document, "config.json: ", &status);

  ModelConfig config;
  config.architecture = FindArchitecture(root);
  if (config.architecture == nullptr) {
    const std::string type = root.StringOr("model_type", "");
    root.Fail("model_type", Concat("is \"", Printable(type), "\", supported are ", ArchitectureNames()));
    return status;
  }
  config.model_type = config.architecture->model_type;
  const SizeKeys& keys = config.architecture->keys;
  RefuseKeys(root, {"quantization_config"});
  config.vocab_size = static_cast<int32_t>(root.Int(keys.vocab, {.min = 1, .max = kMaxVocab}));
  config.d_model = static_cast<int32_t>(root.Int(keys.width, {.min = 8, .max = kMaxWidth}));
  if (config.d_model % 8 != 0) {
    root.Fail(keys.width, Concat("is ", config.d_model, ", expected a multiple of 8"));
  }
  config.layers.resize(static_cast<size_t>(root.Int(keys.layers, {.min = 1, .max = kMaxLayers})));
  if (status.ok()) config.architecture->read(root, &config);
  ReadTokens(root, &config);
  config.max_position_embeddings =
      static_cast<int32_t>(root.IntOr("max_position_embeddings", 2048, {.min = 1, .max = INT32_MAX}));
  if (!status.ok()) return status;
  config.embedding_rows = config.vocab_size;
  AssignCaches(&config);
  BATUCADA_RETURN_IF_ERROR(CheckCaches(config));
  return config;
}

absl::StatusOr<ModelConfig> LoadModelConfig(const std::filesystem::path& dir) {
  BATUCADA_ASSIGN_OR_RETURN(const std::string json, ReadTextFile(dir / "config.json", kMaxConfigBytes));
  return ParseModelConfig(json);
}

}  // namespace batucada
