// Every tensor of a model: its name on disk, shape, role, how it is packed and along which axis devices may split it.
// Loading, checking, made-up weights, `inspect` and the memory budget all read this one list. Names come from the
// architecture's table (architecture.h), shapes from the layers' specs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/model_config.h"

namespace batucada {

// A piece of the model, as the forward pass knows it. Sizes are the layer's: E = d_inner, N = d_state, R = dt_rank.
enum class Part : uint8_t {
  kEmbeddings,     // [vocab, d_model]
  kFinalNorm,      // [d_model]
  kFinalNormBias,  // [d_model], like the other norms' biases only with LayerNorm
  kHead,           // [vocab, d_model], unless the embeddings are tied
  kMixerNorm,      // [d_model]
  kMixerNormBias,  // [d_model]
  // Mamba layers
  kInX,       // [E, d_model]: what goes through convolution and scan
  kInZ,       // [E, d_model]: the gate
  kConv,      // [E, conv_width], oldest tap first
  kConvBias,  // [E]
  kDtLow,     // [R, E]: δ's low rank
  kB,         // [N, E]
  kC,         // [N, E]
  kDt,        // [E, R]
  kDtBias,    // [E]
  kALog,      // [E, N], A = -exp(A_log)
  kSkip,      // [E], D
  kMambaOut,  // [d_model, E]
  kDtNorm,    // [R], like the two below only where inner norms are learned
  kBNorm,     // [N]
  kCNorm,     // [N]
  // attention layers
  kQuery,             // [heads · head_dim, d_model]
  kKey,               // [kv_heads · head_dim, d_model]
  kValue,             // [kv_heads · head_dim, d_model]
  kAttentionOut,      // [d_model, heads · head_dim]
  kQueryBias,         // [heads · head_dim], like the three below only with biases
  kKeyBias,           // [kv_heads · head_dim]
  kValueBias,         // [kv_heads · head_dim]
  kAttentionOutBias,  // [d_model]
  kLambdaQ1,          // [head_dim], like the four below only of differential attention
  kLambdaK1,          // [head_dim]
  kLambdaQ2,          // [head_dim]
  kLambdaK2,          // [head_dim]
  kPairNorm,          // [2 · head_dim]
  // GMU layers
  kGmuIn,   // [E, d_model]
  kGmuOut,  // [d_model, E]
  // layers with an MLP
  kMlpNorm,      // [d_model]
  kMlpNormBias,  // [d_model]
  kGate,         // [width, d_model]
  kUp,           // [width, d_model]
  kDown,         // [d_model, width]
};

// What a tensor is for, which decides the dtype it runs in and what random weights for it look like.
enum class TensorRole : uint8_t {
  kEmbedding,     // matrix that is looked up; also the logits' when tied
  kMatrix,        // [out, in] matrix
  kNorm,          // fp32
  kConv,          // fp32
  kConvBias,      // fp32
  kTimeStepBias,  // fp32, dt_proj's
  kALog,          // fp32
  kSkip,          // fp32
  kBias,          // fp32
  kLambda,        // fp32
};

constexpr bool IsMatrix(TensorRole role) { return role == TensorRole::kEmbedding || role == TensorRole::kMatrix; }

// How devices that share a model cut a part: by outputs, each having some rows; by inputs, each having some columns and
// all adding up their products; or not at all.
enum class SplitAxis : uint8_t { kNone, kRows, kColumns };

// One part's share of a tensor: parts are stacked along rows, or along the elements of a 1-d tensor.
struct TensorPart {
  Part part = Part::kEmbeddings;
  int64_t first = 0;
  int64_t count = 0;
};

struct ExpectedTensor {
  std::string name;  // as the architecture's table spells it
  int64_t rows = 0;  // 1 for 1-d tensors
  int64_t cols = 0;
  TensorRole role = TensorRole::kMatrix;
  SplitAxis split = SplitAxis::kNone;  // of each of its parts
  int32_t layer = -1;                  // -1: of the whole model
  std::vector<TensorPart> parts = {};

  int64_t elements() const { return rows * cols; }
};

// In the order of use. REQUIRES: config.architecture.
std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config);

}  // namespace batucada
