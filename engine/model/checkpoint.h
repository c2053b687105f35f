// Opening a model directory: config.json, generation_config.json and a source for the tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "engine/model/generation_config.h"
#include "engine/model/model_config.h"
#include "engine/model/tensor_source.h"

namespace batucada {

struct Checkpoint {
  ModelConfig config;
  GenerationConfig generation;
  std::unique_ptr<TensorSource> tensors;
};

// Opens the safetensors of `dir`. Before it returns, every tensor that the config implies is known to be there with
// the right shape and a dtype that can be used, and nothing else is: otherwise INVALID_ARGUMENT names the missing,
// surplus and misshapen tensors. If there is an MLP, its width is what the first gate_proj in the file says.
// Names may start with "model." instead of "backbone.", and say "norm" for "mixer_norm", as "mamba" checkpoints do.
// The files stay mapped as long as `tensors` lives.
absl::StatusOr<Checkpoint> OpenCheckpoint(const std::filesystem::path& dir);

// The same model with seeded random weights: reads config.json (and generation_config.json, if any) alone.
absl::StatusOr<Checkpoint> OpenDummyCheckpoint(const std::filesystem::path& dir, uint64_t seed);

}  // namespace batucada
