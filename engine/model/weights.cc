#include "engine/model/weights.h"

#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "engine/model/finite.h"

namespace batucada {
namespace {

// Rows of the wide products: whole tiles on every device. Narrow ones need only aligned rows.
constexpr int64_t kWidePad = 64;
constexpr int64_t kNarrowPad = 8;

int32_t RoundUp(int32_t n, int64_t multiple) { return static_cast<int32_t>((n + multiple - 1) / multiple * multiple); }

class Loader {
 public:
  Loader(TensorSource& source, Ops& ops) : source_(source), ops_(ops) {}

  absl::StatusOr<Matrix> One(const std::string& name, int64_t rows, int64_t cols, int64_t pad_rows = 1,
                             int64_t pad_cols = 1) {
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor tensor, Get(name, rows, cols));
    return ops_.LoadMatrix(std::array{tensor}, pad_rows, pad_cols, name);
  }

  absl::StatusOr<Buffer> Floats(const std::string& name, int64_t rows, int64_t cols) {
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor tensor, Get(name, rows, cols));
    return ops_.LoadFloats(tensor, name);
  }

  // Every tensor comes through here, and none with numbers that are none.
  absl::StatusOr<HostTensor> Get(const std::string& name, int64_t rows, int64_t cols) {
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor tensor, source_.Get(name, rows, cols));
    const std::optional<int64_t> bad = FindNotFinite(tensor);
    if (!bad) return tensor;
    return absl::InvalidArgumentError(
        absl::StrCat(source_.Describe(name), " holds NaN or infinity, first at ",
                     rows == 1 ? absl::StrCat("[", *bad, "]") : absl::StrCat("[", *bad / cols, ", ", *bad % cols, "]"),
                     ": every weight must be a finite number. The file is damaged, or the training went wrong"));
  }

  absl::StatusOr<MambaWeights> Mamba(const ModelConfig& c, const std::string& prefix) {
    const int64_t e = c.d_inner, n = c.d_state, r = c.dt_rank;
    MambaWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.in_proj, One(prefix + "in_proj.weight", 2 * e, c.d_model));
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor x, Get(prefix + "x_proj.weight", r + 2 * n, e));
    // δ's part is padded by itself, so that B and C start aligned.
    const Tensor rows{const_cast<void*>(x.data), x.dtype, x.rows, x.cols, x.cols};
    const std::array parts = {HostTensor{x.data, x.dtype, r, e},
                              HostTensor{rows.Rows(r, 2 * n).data, x.dtype, 2 * n, e}};
    BATUCADA_ASSIGN_OR_RETURN(w.x_proj, ops_.LoadMatrix(parts, kNarrowPad, 1, prefix + "x_proj.weight"));
    BATUCADA_ASSIGN_OR_RETURN(w.dt_proj, One(prefix + "dt_proj.weight", e, r, 1, kNarrowPad));
    BATUCADA_ASSIGN_OR_RETURN(w.out_proj, One(prefix + "out_proj.weight", c.d_model, e));
    BATUCADA_ASSIGN_OR_RETURN(w.conv_weight, Floats(prefix + "conv1d.weight", e, c.conv_width));
    BATUCADA_ASSIGN_OR_RETURN(w.conv_bias, Floats(prefix + "conv1d.bias", 1, e));
    BATUCADA_ASSIGN_OR_RETURN(w.a, Decay(prefix + "A_log", e, n));
    BATUCADA_ASSIGN_OR_RETURN(w.d, Floats(prefix + "D", 1, e));
    BATUCADA_ASSIGN_OR_RETURN(w.dt_bias, Floats(prefix + "dt_proj.bias", 1, e));
    return w;
  }

  absl::StatusOr<AttentionWeights> Attention(const ModelConfig& c, const std::string& prefix) {
    const int64_t q = int64_t{c.heads} * c.head_dim, kv = int64_t{c.kv_heads} * c.head_dim;
    AttentionWeights w;
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor q_proj, Get(prefix + "q_proj.weight", q, c.d_model));
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor k_proj, Get(prefix + "k_proj.weight", kv, c.d_model));
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor v_proj, Get(prefix + "v_proj.weight", kv, c.d_model));
    BATUCADA_ASSIGN_OR_RETURN(w.qkv, ops_.LoadMatrix(std::array{q_proj, k_proj, v_proj}, 1, 1, prefix + "qkv"));
    BATUCADA_ASSIGN_OR_RETURN(w.out, One(prefix + "o_proj.weight", c.d_model, q));
    return w;
  }

  absl::StatusOr<MlpWeights> Mlp(const ModelConfig& c, const std::string& prefix) {
    MlpWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.norm, Floats(prefix + "mlp_norm.weight", 1, c.d_model));
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor gate, Get(prefix + "mlp.gate_proj.weight", c.mlp_width, c.d_model));
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor up, Get(prefix + "mlp.up_proj.weight", c.mlp_width, c.d_model));
    BATUCADA_ASSIGN_OR_RETURN(w.gate_up, ops_.LoadGateUp(gate, up, kWidePad, prefix + "mlp.gate_up"));
    BATUCADA_ASSIGN_OR_RETURN(w.down, One(prefix + "mlp.down_proj.weight", c.d_model, c.mlp_width, 1, kWidePad));
    return w;
  }

 private:
  // The scan wants A; checkpoints hold A_log, which keeps A negative whatever training does.
  absl::StatusOr<Buffer> Decay(const std::string& name, int64_t rows, int64_t cols) {
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor log, Get(name, rows, cols));
    std::vector<float> a = ToFloats(log);
    for (float& value : a) {
      value = -std::exp(value);
      if (std::isfinite(value)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(source_.Describe(name), " holds a number whose exponential is infinite"));
    }
    return ops_.LoadFloats({.data = a.data(), .dtype = DType::kF32, .rows = rows, .cols = cols}, name);
  }

  TensorSource& source_;
  Ops& ops_;
};

}  // namespace

PaddedWidths::PaddedWidths(const ModelConfig& c)
    : vocab(RoundUp(c.vocab_size, kWidePad)), mlp(RoundUp(c.mlp_width, kWidePad)),
      dt_rank(RoundUp(c.dt_rank, kNarrowPad)) {}

absl::StatusOr<Weights> LoadWeights(const ModelConfig& c, TensorSource& source, Ops& ops) {
  Loader load(source, ops);
  Weights w;
  BATUCADA_ASSIGN_OR_RETURN(w.embeddings, load.One("backbone.embeddings.weight", c.vocab_size, c.d_model, kWidePad));
  int32_t mamba_layers = 0, attention_layers = 0;
  for (int32_t i = 0; i < c.num_layers(); ++i) {
    const std::string prefix = absl::StrCat("backbone.layers.", i, ".");
    LayerWeights& layer = w.layers.emplace_back();
    layer.kind = c.layers[static_cast<size_t>(i)];
    BATUCADA_ASSIGN_OR_RETURN(layer.mixer_norm, load.Floats(prefix + "mixer_norm.weight", 1, c.d_model));
    if (layer.kind == LayerKind::kMamba) {
      layer.index = mamba_layers++;
      BATUCADA_ASSIGN_OR_RETURN(layer.mamba, load.Mamba(c, prefix + "mixer."));
    } else {
      layer.index = attention_layers++;
      BATUCADA_ASSIGN_OR_RETURN(layer.attention, load.Attention(c, prefix + "mixer."));
    }
    if (c.has_mlp) {
      BATUCADA_ASSIGN_OR_RETURN(layer.mlp, load.Mlp(c, prefix));
    }
  }
  BATUCADA_ASSIGN_OR_RETURN(w.final_norm, load.Floats("backbone.norm_f.weight", 1, c.d_model));
  if (!c.tie_embeddings) {
    BATUCADA_ASSIGN_OR_RETURN(w.lm_head, load.One("lm_head.weight", c.vocab_size, c.d_model, kWidePad));
  }
  BATUCADA_RETURN_IF_ERROR(source.CheckComplete());
  return w;
}

}  // namespace batucada
