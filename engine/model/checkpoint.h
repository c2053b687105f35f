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
// the right shape and a dtype that can be used, and nothing else is: otherwise INVALID_ARGUMENT names the missing,
// surplus and misshapen tensors. Where an architecture says so, the MLP is as wide as its tensors are.
// Two kinds of surplus tensors are dropped, as transformers does: lm_head.weight where the embeddings are tied, and
// buffers that are computed and not learned (rotary inv_freq, masked_bias, num_batches_tracked …).
// Names may be spelled in every way that the architecture knows.
// The files stay mapped as long as `tensors` lives.
absl::StatusOr<Checkpoint> OpenCheckpoint(const std::filesystem::path& dir,
                                          GenerationConfigUse use = GenerationConfigUse::kAll);

// The same model with seeded random weights: reads config.json (and generation_config.json, if any) alone.
absl::StatusOr<Checkpoint> OpenDummyCheckpoint(const std::filesystem::path& dir, uint64_t seed,
                                               GenerationConfigUse use = GenerationConfigUse::kAll);

}  // namespace batucada
