#include "engine/model/tensor_source.h"

#include "engine/model/text.h"

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

}  // namespace

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
