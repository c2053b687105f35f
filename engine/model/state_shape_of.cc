#include "engine/model/state_shape_of.h"

#include <algorithm>

namespace batucada {
namespace {

// The caches that stand for the groups of one kind: the first of each.
std::vector<CacheSpec> Groups(const ModelConfig& config, CacheKind kind) {
  std::vector<CacheSpec> groups;
  for (const CacheSpec& cache : config.caches) {
    if (cache.kind == kind && std::find(groups.begin(), groups.end(), cache) == groups.end()) groups.push_back(cache);
  }
  return groups;
}

int32_t CountLike(const ModelConfig& config, const CacheSpec& cache) {
  return static_cast<int32_t>(std::count(config.caches.begin(), config.caches.end(), cache));
}

}  // namespace

StateShape StateShapeOf(const ModelConfig& config, int32_t block_tokens, DType activation) {
  StateShape shape{.block_tokens = block_tokens, .vocab = config.vocab_size, .activation = activation};
  for (const CacheSpec& c : Groups(config, CacheKind::kRecurrent)) {
    shape.recurrent.push_back(
        {.layers = CountLike(config, c), .d_inner = c.d_inner, .d_state = c.d_state, .conv_width = c.conv_width});
  }
  for (const CacheSpec& c : Groups(config, CacheKind::kKv)) {
    shape.kv.push_back(
        {.layers = CountLike(config, c), .kv_heads = c.kv_heads, .head_dim = c.head_dim, .window = c.window});
  }
  return shape;
}

std::vector<CacheId> CacheIds(const ModelConfig& config) {
  std::vector<CacheId> ids;
  for (auto cache = config.caches.begin(); cache != config.caches.end(); ++cache) {
    const std::vector<CacheSpec> groups = Groups(config, cache->kind);
    const auto group = std::find(groups.begin(), groups.end(), *cache) - groups.begin();
    const auto layer = std::count(config.caches.begin(), cache, *cache);
    ids.push_back({.group = static_cast<int32_t>(group), .layer = static_cast<int32_t>(layer)});
  }
  return ids;
}

}  // namespace batucada
