// What a model is: everything the forward pass and the sizing of memory need to know, from config.json.
//
// Two layouts are read, both as Hugging Face writes them:
//   model_type "samba"  flash-linear-attention's SambaForCausalLM (arXiv 2406.07522): Mamba-1 layers, attention layers
//                       where attn.layers says so, an MLP after each. With attn.layers naming every layer it is a
//                       Llama-style (no window) or Mistral-style (window) Transformer.
//   model_type "mamba"  a stack of Mamba-1 layers (arXiv 2312.00752) without MLPs.
// `attn` is one specification or, as flash-linear-attention writes it since 0.6, a list of them, which must agree in
// all but their layers. Keys of our own, for what those layouts cannot say: "mlp_width" and "attn.head_dim". Mind that
// "intermediate_size" means d_inner in both, not the MLP's width.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/ops.h"
#include "kernels/tensor.h"

namespace batucada {

inline constexpr int64_t kMaxMlpWidth = int64_t{1} << 20;

enum class LayerKind : uint8_t { kMamba, kAttention };

struct ModelConfig {
  std::string model_type;         // "samba" or "mamba"
  int32_t vocab_size = 0;         // token ids, rows of the embedding
  int32_t d_model = 0;            // width of the residual stream, a multiple of 8
  std::vector<LayerKind> layers;  // the mixer of each layer, bottom to top

  // MLP (SwiGLU) after every mixer, or none in the whole model.
  bool has_mlp = false;
  int32_t mlp_width = 0;  // rows of gate_proj, any positive number (the paper has 8196); 0 without MLP

  // Mamba layers; all 0 if there are none.
  int32_t d_inner = 0;     // channels of convolution and scan, a multiple of 8
  int32_t d_state = 0;     // states per channel; 16
  int32_t conv_width = 0;  // taps of the causal convolution; 4
  int32_t dt_rank = 0;     // columns of dt_proj

  // Attention layers; all 0 if there are none.
  int32_t heads = 0;           // query heads, a multiple of kv_heads
  int32_t kv_heads = 0;        // key and value heads
  int32_t head_dim = 0;        // elements per head: 64, 128 or 256; heads * head_dim need not equal d_model
  int32_t window = kNoWindow;  // tokens a query sees, itself included; kNoWindow: all before it
  float rope_theta = 0;        // base of the rotary embedding; 0: no rotation

  float norm_eps = 1e-5F;       // added to the mean square in every RMSNorm
  bool tie_embeddings = false;  // logits use the embedding matrix; there is no lm_head.weight

  std::optional<int32_t> bos_token_id;  // starts a text, if the model has such a token
  std::vector<int32_t> eos_token_ids;   // end a text; generation_config.json may name more
  int32_t max_position_embeddings = 0;  // tokens, as trained; informational, nothing ends there

  int32_t num_layers() const { return static_cast<int32_t>(layers.size()); }
  int32_t CountLayers(LayerKind kind) const;
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
