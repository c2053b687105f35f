// What a sequence of a model holds: ModelConfig::caches, gathered into groups (engine/state/state_shape.h).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model/model_config.h"
#include "engine/state/state_shape.h"

namespace batucada {

// Caches that are alike are a group, in the order in which the first of each comes.
StateShape StateShapeOf(const ModelConfig& config, int32_t block_tokens, DType activation);

// Where each of ModelConfig::caches lies: which group of its kind, and which of the group's.
std::vector<CacheId> CacheIds(const ModelConfig& config);

}  // namespace batucada
