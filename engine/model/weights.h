// A model's weights on the device, packed for few large products: q, k, v as one matrix, gate and up as one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/load_options.h"
#include "engine/model/model_config.h"
#include "engine/model/tensor_source.h"
#include "engine/state/state_shape.h"
#include "kernels/ops.h"

namespace batucada {

// Widths as the device holds them, padded so that rows start aligned. Padding is zeros and changes no result.
int64_t PaddedVocab(const ModelConfig& config);  // columns of the logits
int64_t PaddedWidth(const MlpSpec& mlp);         // rows of gate and of up, columns of down
int64_t PaddedRank(const MambaSpec& mamba);      // columns of dt_proj and where B begins in the output of x_proj

struct MambaWeights {
  Matrix in_proj;      // [2E, d_model]: x, then z
  Matrix x_proj;       // [dt_rank + 2N, E]: δ's low rank, B, C
  Matrix dt_proj;      // [E, dt_rank]
  Matrix out_proj;     // [d_model, E]
  Buffer conv_weight;  // [E, 4] fp32, oldest tap first
  Buffer conv_bias;    // [E] fp32
  Buffer a;            // [E, N] fp32, -exp(A_log)
  Buffer d;            // [E] fp32
  Buffer dt_bias;      // [E] fp32
  Buffer dt_norm;      // [dt_rank] fp32, like the two below only with inner norms; ones where those have no weights
  Buffer b_norm;       // [N] fp32
  Buffer c_norm;       // [N] fp32
};

// A norm's weight, and bias if it is a LayerNorm.
struct NormWeights {
  Buffer weight;  // [d_model] fp32
  Buffer bias;    // [d_model] fp32; empty with RMSNorm
};

// Biases are empty where there are none. Layers whose keys and values are computed for more tokens than their queries
// (ModelConfig::sampled_from), or not at all, have q and kv, all others qkv. Query heads of differential attention are
// in the order of DiffCombineArgs: those of K/V head 0, then those of head 1, and so on.
struct AttentionWeights {
  Matrix qkv;       // [(H + 2G)·head_dim, d_model]
  Buffer qkv_bias;  // [(H + 2G)·head_dim] fp32
  Matrix q;         // [H·head_dim, d_model]
  Buffer q_bias;    // [H·head_dim] fp32
  Matrix kv;        // [2G·head_dim, d_model]
  Buffer kv_bias;   // [2G·head_dim] fp32
  Matrix out;       // [d_model, H·head_dim]
  Buffer out_bias;  // [d_model] fp32
  // Of differential attention.
  float lambda = 0;
  Buffer pair_norm;  // [2·head_dim] fp32, times 1 - lambda_init
};

struct GmuWeights {
  Matrix in;   // [E, d_model]
  Matrix out;  // [d_model, E]
};

struct MlpWeights {
  NormWeights norm;
  Matrix gate_up;  // [2 mlp, d_model], rows as MatMulSwiGlu likes them
  Matrix down;     // [d_model, mlp]
};

struct LayerWeights {
  CacheId cache;  // where its state lies in the pools
  NormWeights mixer_norm;
  MambaWeights mamba;          // of a Mamba layer
  AttentionWeights attention;  // of an attention layer
  GmuWeights gmu;              // of a GMU layer
  MlpWeights mlp;              // of a layer with an MLP
};

struct Weights {
  Matrix embeddings;  // [vocab, d_model]
  Matrix lm_head;     // [vocab, d_model]; empty if the embeddings are tied
  NormWeights final_norm;
  std::vector<LayerWeights> layers;

  const Matrix& head() const { return lm_head.storage.data() != nullptr ? lm_head : embeddings; }
};

// Reads every tensor of the model's table from `source`, each checked by name and shape. All are on the device when it
// returns.
absl::StatusOr<Weights> LoadWeights(const ModelConfig& config, TensorSource& source, Ops& ops,
                                    const LoadOptions& options = {});

}  // namespace batucada
