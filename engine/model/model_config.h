// What a model is: everything the forward pass and the sizing of memory need to know, from config.json.
//
// How each model_type is written is told where it is read: engine/model/architectures. Layers carry their own specs
// (layer_spec.h); here is only what the whole model shares.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/layer_spec.h"
#include "engine/state/cache_spec.h"
#include "kernels/tensor.h"

namespace batucada {

struct Architecture;

struct ModelConfig {
  std::string model_type;                      // its architecture's
  const Architecture* architecture = nullptr;  // what its tensors are called; never null in a parsed config
  int32_t vocab_size = 0;                      // token ids
  int32_t embedding_rows = 0;                  // of the embeddings and the head; beyond vocab_size lies padding
  int32_t d_model = 0;                         // width of the residual stream, a multiple of 8
  std::vector<LayerSpec> layers;               // bottom to top
  std::vector<CacheSpec> caches;               // what a sequence holds, one for each layer that writes, bottom to top

  // From this layer on, a token's layers serve nothing but its own logits: of this one only keys and values are
  // computed for all tokens, the rest for tokens whose logits are wanted. num_layers() or more: of no layer.
  int32_t sampled_from = INT32_MAX;

  NormSpec final_norm;          // before the logits
  bool tie_embeddings = false;  // logits use the embedding matrix; there is no matrix of their own

  std::optional<int32_t> bos_token_id;  // starts a text, if the model has such a token
  std::vector<int32_t> eos_token_ids;   // end a text; generation_config.json may name more
  int32_t max_position_embeddings = 0;  // tokens, as trained; informational, nothing ends there

  int32_t num_layers() const { return static_cast<int32_t>(layers.size()); }
  int32_t CountLayers(MixerKind kind) const;
  // The spec of the first layer of that kind, null if there is none: what stands for the model where one line must.
  const MambaSpec* FirstMamba() const;
  const AttentionSpec* FirstAttention() const;
  const MlpSpec* FirstMlp() const;
  // The widest window of all attention layers, if every one has a window and there are such layers.
  std::optional<int32_t> Window() const;
};

// INVALID_ARGUMENT names the JSON path, what was found and what was expected.
absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json);
// Reads `dir`/config.json; NOT_FOUND if there is none.
absl::StatusOr<ModelConfig> LoadModelConfig(const std::filesystem::path& dir);

// All weights. Nothing in the three below overflows for a config that was parsed.
int64_t ParameterCount(const ModelConfig& config);
// Weights that each token is multiplied with: P of the decode floor 2·P·bytes/bandwidth. Embedding lookups do not
// count, the logits' product does, tied or not.
int64_t MatMulParameters(const ModelConfig& config);
// Bytes of all weights with matrices in `matrix_dtype`; vectors and small tables (norms, biases, A_log, D, conv) are
// fp32 on every device. Without the padding a device may add.
int64_t WeightBytes(const ModelConfig& config, DType matrix_dtype);

}  // namespace batucada
