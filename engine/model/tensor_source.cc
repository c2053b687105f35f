#include "engine/model/tensor_source.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/status.h"
#include "base/strings.h"

namespace batucada {
namespace {

void AddMamba(const ModelConfig& c, const std::string& mixer, std::vector<ExpectedTensor>* out) {
  const int64_t inner = c.d_inner;
  out->push_back({mixer + "in_proj.weight", 2 * inner, c.d_model, TensorRole::kMatrix});  // x, then z
  out->push_back({mixer + "conv1d.weight", inner, c.conv_width, TensorRole::kConv});
  out->push_back({mixer + "conv1d.bias", 1, inner, TensorRole::kConvBias});
  out->push_back({mixer + "x_proj.weight", c.dt_rank + 2 * c.d_state, inner, TensorRole::kMatrix});  // dt, B, C
  out->push_back({mixer + "dt_proj.weight", inner, c.dt_rank, TensorRole::kMatrix});
  out->push_back({mixer + "dt_proj.bias", 1, inner, TensorRole::kTimeStepBias});
  out->push_back({mixer + "A_log", inner, c.d_state, TensorRole::kALog});
  out->push_back({mixer + "D", 1, inner, TensorRole::kSkip});
  out->push_back({mixer + "out_proj.weight", c.d_model, inner, TensorRole::kMatrix});
}

void AddAttention(const ModelConfig& c, const std::string& mixer, std::vector<ExpectedTensor>* out) {
  const int64_t q_width = int64_t{c.heads} * c.head_dim;
  const int64_t kv_width = int64_t{c.kv_heads} * c.head_dim;
  out->push_back({mixer + "q_proj.weight", q_width, c.d_model, TensorRole::kMatrix});
  out->push_back({mixer + "k_proj.weight", kv_width, c.d_model, TensorRole::kMatrix});
  out->push_back({mixer + "v_proj.weight", kv_width, c.d_model, TensorRole::kMatrix});
  out->push_back({mixer + "o_proj.weight", c.d_model, q_width, TensorRole::kMatrix});
}

void AddMlp(const ModelConfig& c, const std::string& layer, std::vector<ExpectedTensor>* out) {
  out->push_back({layer + "mlp_norm.weight", 1, c.d_model, TensorRole::kNorm});
  out->push_back({layer + "mlp.gate_proj.weight", c.mlp_width, c.d_model, TensorRole::kMatrix});
  out->push_back({layer + "mlp.up_proj.weight", c.mlp_width, c.d_model, TensorRole::kMatrix});
  out->push_back({layer + "mlp.down_proj.weight", c.d_model, c.mlp_width, TensorRole::kMatrix});
}

// IEEE half precision: 1 sign, 5 exponent and 10 mantissa bits.
float FromFp16(uint16_t half) {
  const float sign = (half & 0x8000) != 0 ? -1.0F : 1.0F;
  const int exponent = (half >> 10) & 0x1f;
  const int mantissa = half & 0x3ff;
  if (exponent == 0x1f) return mantissa != 0 ? std::numeric_limits<float>::quiet_NaN() : sign * HUGE_VALF;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(mantissa | 0x400), exponent - 25);
}

// Element `i` of possibly unaligned data.
template <typename T>
T ElementAt(const void* data, size_t i) {
  T element;
  std::memcpy(&element, static_cast<const char*>(data) + i * sizeof(T), sizeof(T));
  return element;
}

}  // namespace

std::vector<float> ToFloats(const HostTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.rows * tensor.cols));
  for (size_t i = 0; i < values.size(); ++i) {
    switch (tensor.dtype) {
      case DType::kF32: values[i] = ElementAt<float>(tensor.data, i); break;
      case DType::kBf16: values[i] = std::bit_cast<float>(uint32_t{ElementAt<uint16_t>(tensor.data, i)} << 16); break;
      case DType::kF16: values[i] = FromFp16(ElementAt<uint16_t>(tensor.data, i)); break;
      case DType::kI32:
      case DType::kI64: BATUCADA_CHECK(false, "a weight cannot be an integer"); break;
    }
  }
  return values;
}

std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config) {
  std::vector<ExpectedTensor> out;
  out.push_back({"backbone.embeddings.weight", config.vocab_size, config.d_model, TensorRole::kEmbedding});
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const std::string layer = Concat("backbone.layers.", i, ".");
    out.push_back({layer + "mixer_norm.weight", 1, config.d_model, TensorRole::kNorm});
    switch (config.layers[i]) {
      case LayerKind::kMamba: AddMamba(config, layer + "mixer.", &out); break;
      case LayerKind::kAttention: AddAttention(config, layer + "mixer.", &out); break;
    }
    if (config.has_mlp) AddMlp(config, layer, &out);
  }
  out.push_back({"backbone.norm_f.weight", 1, config.d_model, TensorRole::kNorm});
  if (!config.tie_embeddings) out.push_back({"lm_head.weight", config.vocab_size, config.d_model, TensorRole::kMatrix});
  return out;
}

}  // namespace batucada
