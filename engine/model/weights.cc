#include "engine/model/weights.h"

#include <cmath>
#include <initializer_list>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rounding.h"
#include "base/status.h"
#include "engine/model/part_reader.h"
#include "engine/model/state_shape_of.h"

namespace batucada {
namespace {

// Rows of the wide products: whole tiles on every device. Narrow ones need only aligned rows.
constexpr int64_t kWidePad = 64;
constexpr int64_t kNarrowPad = 8;

struct Padding {
  int64_t rows = 1;  // of each part
  int64_t cols = 1;
};

// Loads parts of one layer, or of the whole model, onto the device.
class Loader {
 public:
  Loader(int32_t layer, PartReader& reader, Ops& ops) : layer_(layer), reader_(reader), ops_(ops) {}

  // The parts as one matrix, one below the other.
  absl::StatusOr<Matrix> Stacked(std::initializer_list<Part> parts, Padding padding = {}) {
    std::vector<HostTensor> tensors;
    for (const Part part : parts) {
      BATUCADA_ASSIGN_OR_RETURN(tensors.emplace_back(), reader_.Get(layer_, part));
    }
    return ops_.LoadMatrix(tensors, padding.rows, padding.cols, reader_.NameOf(layer_, *parts.begin()));
  }

  absl::StatusOr<NormWeights> Norm(Part weight, Part bias) {
    NormWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.weight, Floats(weight));
    if (reader_.Has(layer_, bias)) {
      BATUCADA_ASSIGN_OR_RETURN(w.bias, Floats(bias));
    }
    return w;
  }

  absl::StatusOr<Buffer> Floats(Part part) {
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor tensor, reader_.Get(layer_, part));
    return ops_.LoadFloats(tensor, reader_.NameOf(layer_, part));
  }

  absl::StatusOr<MambaWeights> Mamba(const MambaSpec& spec) {
    MambaWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.in_proj, Stacked({Part::kInX, Part::kInZ}));
    // Each part is padded by itself, so that B and C start aligned.
    BATUCADA_ASSIGN_OR_RETURN(w.x_proj, Stacked({Part::kDtLow, Part::kB, Part::kC}, {.rows = kNarrowPad}));
    BATUCADA_ASSIGN_OR_RETURN(w.dt_proj, Stacked({Part::kDt}, {.cols = kNarrowPad}));
    BATUCADA_ASSIGN_OR_RETURN(w.out_proj, Stacked({Part::kMambaOut}));
    BATUCADA_ASSIGN_OR_RETURN(w.conv_weight, Floats(Part::kConv));
    BATUCADA_ASSIGN_OR_RETURN(w.conv_bias, Floats(Part::kConvBias));
    BATUCADA_ASSIGN_OR_RETURN(w.a, Decay());
    BATUCADA_ASSIGN_OR_RETURN(w.d, Floats(Part::kSkip));
    BATUCADA_ASSIGN_OR_RETURN(w.dt_bias, Floats(Part::kDtBias));
    if (spec.inner_norms != InnerNorms::kNone) {
      BATUCADA_ASSIGN_OR_RETURN(w.dt_norm, FloatsOrOnes(Part::kDtNorm, spec.dt_rank));
      BATUCADA_ASSIGN_OR_RETURN(w.b_norm, FloatsOrOnes(Part::kBNorm, spec.d_state));
      BATUCADA_ASSIGN_OR_RETURN(w.c_norm, FloatsOrOnes(Part::kCNorm, spec.d_state));
    }
    return w;
  }

  // `split`: q and kv by themselves.
  absl::StatusOr<AttentionWeights> Attention(const AttentionSpec& spec, bool split) {
    AttentionWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.out, Stacked({Part::kAttentionOut}));
    std::vector<HostTensor> q, kv;
    BATUCADA_RETURN_IF_ERROR(AddQueries(spec, Part::kQuery, &q));
    if (spec.source < 0) {
      for (const Part part : {Part::kKey, Part::kValue}) {
        BATUCADA_ASSIGN_OR_RETURN(kv.emplace_back(), reader_.Get(layer_, part));
      }
    }
    const std::string& name = reader_.NameOf(layer_, Part::kQuery);
    if (split) {
      BATUCADA_ASSIGN_OR_RETURN(w.q, ops_.LoadMatrix(q, 1, 1, name));
      if (!kv.empty()) {
        BATUCADA_ASSIGN_OR_RETURN(w.kv, ops_.LoadMatrix(kv, 1, 1, name));
      }
    } else {
      q.insert(q.end(), kv.begin(), kv.end());
      BATUCADA_ASSIGN_OR_RETURN(w.qkv, ops_.LoadMatrix(q, 1, 1, name));
    }
    if (spec.bias) {
      BATUCADA_RETURN_IF_ERROR(AttentionBiases(spec, split, &w));
    }
    if (spec.differential) {
      BATUCADA_RETURN_IF_ERROR(Differential(spec, &w));
    }
    return w;
  }

  absl::StatusOr<GmuWeights> Gmu() {
    GmuWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.in, Stacked({Part::kGmuIn}));
    BATUCADA_ASSIGN_OR_RETURN(w.out, Stacked({Part::kGmuOut}));
    return w;
  }

  absl::StatusOr<MlpWeights> Mlp() {
    MlpWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.norm, Norm(Part::kMlpNorm, Part::kMlpNormBias));
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor gate, reader_.Get(layer_, Part::kGate));
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor up, reader_.Get(layer_, Part::kUp));
    BATUCADA_ASSIGN_OR_RETURN(w.gate_up, ops_.LoadGateUp(gate, up, kWidePad, reader_.NameOf(layer_, Part::kGate)));
    BATUCADA_ASSIGN_OR_RETURN(w.down, Stacked({Part::kDown}, {.cols = kWidePad}));
    return w;
  }

 private:
  absl::StatusOr<Buffer> FloatsOrOnes(Part part, int64_t count) {
    if (reader_.Has(layer_, part)) return Floats(part);
    const std::vector<float> ones(static_cast<size_t>(count), 1.0F);
    return ops_.LoadFloats({.data = ones.data(), .dtype = DType::kF32, .rows = 1, .cols = count}, "ones for a norm");
  }

  // Queries, or their biases, head by head in the order in which the device wants them.
  absl::Status AddQueries(const AttentionSpec& spec, Part part, std::vector<HostTensor>* out) {
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor all, reader_.Get(layer_, part));
    if (!spec.differential) {
      out->push_back(all);
      return absl::OkStatus();
    }
    const bool is_bias = all.rows == 1;
    const int64_t head_elements = spec.head_dim * (is_bias ? 1 : all.cols);
    const int32_t group = spec.heads / spec.kv_heads;
    // K/V heads 2p and 2p + 1 serve pairs p·group …: the first queries of those, and the second.
    for (int32_t kv_head = 0; kv_head < spec.kv_heads; ++kv_head) {
      for (int32_t i = 0; i < group; ++i) {
        const int64_t head = int64_t{2} * (kv_head / 2 * group + i) + kv_head % 2;
        HostTensor one = all;
        one.data = static_cast<const char*>(all.data) + head * head_elements * static_cast<int64_t>(SizeOf(all.dtype));
        (is_bias ? one.cols : one.rows) = spec.head_dim;
        out->push_back(one);
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Buffer> Joined(const std::vector<HostTensor>& vectors, Part part) {
    std::vector<float> all;
    for (const HostTensor& vector : vectors) {
      const std::vector<float> values = ToFloats(vector);
      all.insert(all.end(), values.begin(), values.end());
    }
    return ops_.LoadFloats(
        {.data = all.data(), .dtype = DType::kF32, .rows = 1, .cols = static_cast<int64_t>(all.size())},
        reader_.NameOf(layer_, part));
  }

  absl::Status AttentionBiases(const AttentionSpec& spec, bool split, AttentionWeights* w) {
    std::vector<HostTensor> q, kv;
    BATUCADA_RETURN_IF_ERROR(AddQueries(spec, Part::kQueryBias, &q));
    if (spec.source < 0) {
      for (const Part part : {Part::kKeyBias, Part::kValueBias}) {
        BATUCADA_ASSIGN_OR_RETURN(kv.emplace_back(), reader_.Get(layer_, part));
      }
    }
    if (split) {
      BATUCADA_ASSIGN_OR_RETURN(w->q_bias, Joined(q, Part::kQueryBias));
      if (!kv.empty()) {
        BATUCADA_ASSIGN_OR_RETURN(w->kv_bias, Joined(kv, Part::kQueryBias));
      }
    } else {
      q.insert(q.end(), kv.begin(), kv.end());
      BATUCADA_ASSIGN_OR_RETURN(w->qkv_bias, Joined(q, Part::kQueryBias));
    }
    BATUCADA_ASSIGN_OR_RETURN(w->out_bias, Floats(Part::kAttentionOutBias));
    return absl::OkStatus();
  }

  // λ does not depend on the text, and the factor behind the pairs' norm is one with its weight.
  absl::Status Differential(const AttentionSpec& spec, AttentionWeights* w) {
    const auto dot = [this](Part a, Part b) -> absl::StatusOr<double> {
      BATUCADA_ASSIGN_OR_RETURN(const HostTensor first, reader_.Get(layer_, a));
      BATUCADA_ASSIGN_OR_RETURN(const HostTensor second, reader_.Get(layer_, b));
      const std::vector<float> x = ToFloats(first), y = ToFloats(second);
      return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
    };
    BATUCADA_ASSIGN_OR_RETURN(const double one, dot(Part::kLambdaQ1, Part::kLambdaK1));
    BATUCADA_ASSIGN_OR_RETURN(const double two, dot(Part::kLambdaQ2, Part::kLambdaK2));
    w->lambda = static_cast<float>(std::exp(one) - std::exp(two) + double{spec.lambda_init});
    if (!std::isfinite(w->lambda)) {
      return absl::InvalidArgumentError(
          absl::StrCat(reader_.Describe(layer_, Part::kLambdaQ1), " and its like make λ infinite"));
    }
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor norm, reader_.Get(layer_, Part::kPairNorm));
    std::vector<float> weight = ToFloats(norm);
    for (float& value : weight) value *= 1 - spec.lambda_init;
    BATUCADA_ASSIGN_OR_RETURN(
        w->pair_norm, ops_.LoadFloats({.data = weight.data(), .dtype = DType::kF32, .rows = 1, .cols = norm.cols},
                                      reader_.NameOf(layer_, Part::kPairNorm)));
    return absl::OkStatus();
  }

  // The scan wants A; checkpoints hold A_log, which keeps A negative whatever training does.
  absl::StatusOr<Buffer> Decay() {
    BATUCADA_ASSIGN_OR_RETURN(const HostTensor log, reader_.Get(layer_, Part::kALog));
    std::vector<float> a = ToFloats(log);
    for (float& value : a) {
      value = -std::exp(value);
      if (std::isfinite(value)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(reader_.Describe(layer_, Part::kALog), " holds a number whose exponential is infinite"));
    }
    return ops_.LoadFloats({.data = a.data(), .dtype = DType::kF32, .rows = log.rows, .cols = log.cols},
                           reader_.NameOf(layer_, Part::kALog));
  }

  const int32_t layer_;
  PartReader& reader_;
  Ops& ops_;
};

}  // namespace

int64_t PaddedVocab(const ModelConfig& config) { return RoundUp<int64_t>(config.embedding_rows, kWidePad); }
int64_t PaddedWidth(const MlpSpec& mlp) { return RoundUp<int64_t>(mlp.width, kWidePad); }
int64_t PaddedRank(const MambaSpec& mamba) { return RoundUp<int64_t>(mamba.dt_rank, kNarrowPad); }

absl::StatusOr<Weights> LoadWeights(const ModelConfig& config, TensorSource& source, Ops& ops,
                                    const LoadOptions& options) {
  PartReader reader(config, source, options);
  Loader model(/*layer=*/-1, reader, ops);
  Weights w;
  BATUCADA_ASSIGN_OR_RETURN(w.embeddings, model.Stacked({Part::kEmbeddings}, {.rows = kWidePad}));
  const std::vector<CacheId> caches = CacheIds(config);
  for (int32_t i = 0; i < config.num_layers(); ++i) {
    const LayerSpec& spec = config.layers[static_cast<size_t>(i)];
    Loader load(i, reader, ops);
    LayerWeights& layer = w.layers.emplace_back();
    if (spec.cache >= 0) layer.cache = caches[static_cast<size_t>(spec.cache)];
    BATUCADA_ASSIGN_OR_RETURN(layer.mixer_norm, load.Norm(Part::kMixerNorm, Part::kMixerNormBias));
    switch (spec.kind()) {
      case MixerKind::kMamba: {
        BATUCADA_ASSIGN_OR_RETURN(layer.mamba, load.Mamba(*spec.mamba()));
        break;
      }
      case MixerKind::kAttention: {
        BATUCADA_ASSIGN_OR_RETURN(layer.attention, load.Attention(*spec.attention(), i >= config.sampled_from));
        break;
      }
      case MixerKind::kGmu: {
        BATUCADA_ASSIGN_OR_RETURN(layer.gmu, load.Gmu());
        break;
      }
    }
    if (spec.has_mlp()) {
      BATUCADA_ASSIGN_OR_RETURN(layer.mlp, load.Mlp());
    }
  }
  BATUCADA_ASSIGN_OR_RETURN(w.final_norm, model.Norm(Part::kFinalNorm, Part::kFinalNormBias));
  if (!config.tie_embeddings) {
    BATUCADA_ASSIGN_OR_RETURN(w.lm_head, model.Stacked({Part::kHead}, {.rows = kWidePad}));
  }
  BATUCADA_RETURN_IF_ERROR(ops.FinishLoading());
  BATUCADA_RETURN_IF_ERROR(source.CheckComplete());
  return w;
}

}  // namespace batucada
