// Opening a model directory: config.json, generation_config.json and a source for the tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/generation_config.h"
#include "engine/model/model_config.h"
#include "engine/model/tensor_source.h"

namespace batucada {

struct Checkpoint {
  ModelConfig config;
  GenerationConfig generation;
  std::unique_ptr<TensorSource> tensors;
  std::vector<std::string> dropped;  // tensors of the file that no model reads, in its order
};

// Opens the safetensors of `dir`. Before it returns, every tensor that the config implies is known to be there with
// the right shape and a dtype that can be used: otherwise INVALID_ARGUMENT names the missing and misshapen tensors.
// Where an architecture says so, the MLP is as wide as its tensors are.
// Surplus tensors are dropped, as transformers does: lm_head.weight where the embeddings are tied, buffers that are
// computed and not learned, layers and heads that config.json knows nothing of. Not so those that say how others are
// meant, which are refused by name: biases of weights that are used, scales of quantised ones, adapters.
// Names may be spelled in every way that the architecture knows.
// The files stay mapped as long as `tensors` lives.
absl::StatusOr<Checkpoint> OpenCheckpoint(const std::filesystem::path& dir,
                                          GenerationConfigUse use = GenerationConfigUse::kAll);

// The same model with seeded random weights: reads config.json (and generation_config.json, if any) alone.
absl::StatusOr<Checkpoint> OpenDummyCheckpoint(const std::filesystem::path& dir, uint64_t seed,
                                               GenerationConfigUse use = GenerationConfigUse::kAll);

}  // namespace batucada
