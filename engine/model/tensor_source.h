// Where weights come from. Loading asks for each tensor by name and shape; what the source is (a checkpoint, or random
// numbers) makes no difference to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/model/model_config.h"
#include "kernels/tensor.h"

namespace batucada {

// Used by one thread at a time.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // The tensor `name` as [rows, cols]; a 1-d tensor has rows = 1, and a depthwise convolution's [E, 1, 4] is [E, 4].
  // fp32, bf16 or fp16. The data stays valid as long as the source. INVALID_ARGUMENT names the tensor and says what is
  // wrong with it.
  virtual absl::StatusOr<HostTensor> Get(std::string_view name, int64_t rows, int64_t cols) = 0;

  // What a message calls it: "tensor …", and where it is from.
  virtual std::string Describe(std::string_view name) const { return "tensor " + std::string(name); }

  // After the last Get. INVALID_ARGUMENT names the tensors that nobody asked for, since a model that ignores weights is
  // not the one in the file; or the file that was changed while it was read.
  [[nodiscard]] virtual absl::Status CheckComplete() const = 0;
};

// The elements of an fp32, bf16 or fp16 tensor as floats, exactly.
std::vector<float> ToFloats(const HostTensor& tensor);

// What a tensor is for, which decides the dtype it runs in and what random weights for it look like.
enum class TensorRole : uint8_t {
  kEmbedding,     // [vocab_size, d_model] matrix, also the logits' when tied
  kMatrix,        // [out, in] matrix
  kNorm,          // [d_model] fp32
  kConv,          // [d_inner, conv_width] fp32, oldest tap first
  kConvBias,      // [d_inner] fp32
  kTimeStepBias,  // [d_inner] fp32, dt_proj's
  kALog,          // [d_inner, d_state] fp32, A = -exp(A_log)
  kSkip,          // [d_inner] fp32, D
};

constexpr bool IsMatrix(TensorRole role) { return role == TensorRole::kEmbedding || role == TensorRole::kMatrix; }

struct ExpectedTensor {
  std::string name;
  int64_t rows = 0;  // 1 for 1-d tensors
  int64_t cols = 0;
  TensorRole role = TensorRole::kMatrix;

  int64_t elements() const { return rows * cols; }
};

// Every tensor of the model, named as flash-linear-attention's SambaForCausalLM names them, in the order of use:
//   backbone.embeddings.weight
//   backbone.layers.N.mixer_norm.weight
//   backbone.layers.N.mixer.{in_proj,x_proj,dt_proj,out_proj}.weight, mixer.{dt_proj,conv1d}.bias,
//     mixer.conv1d.weight, mixer.{A_log,D}                                       Mamba layers
//   backbone.layers.N.mixer.{q_proj,k_proj,v_proj,o_proj}.weight                 attention layers
//   backbone.layers.N.mlp_norm.weight, mlp.{gate_proj,up_proj,down_proj}.weight  if has_mlp
//   backbone.norm_f.weight
//   lm_head.weight                                                               unless tie_embeddings
std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config);

}  // namespace batucada
