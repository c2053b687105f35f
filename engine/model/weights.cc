#include "engine/model/weights.h"

#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "engine/model/part_reader.h"
#include "engine/model/state_shape_of.h"

namespace batucada {
namespace {

// Rows of the wide products: whole tiles on every device. Narrow ones need only aligned rows.
constexpr int64_t kWidePad = 64;
constexpr int64_t kNarrowPad = 8;

int64_t RoundUp(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

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

  absl::StatusOr<AttentionWeights> Attention() {
    AttentionWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.qkv, Stacked({Part::kQuery, Part::kKey, Part::kValue}));
    BATUCADA_ASSIGN_OR_RETURN(w.out, Stacked({Part::kAttentionOut}));
    return w;
  }

  absl::StatusOr<MlpWeights> Mlp() {
    MlpWeights w;
    BATUCADA_ASSIGN_OR_RETURN(w.norm, Floats(Part::kMlpNorm));
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

int64_t PaddedVocab(const ModelConfig& config) { return RoundUp(config.vocab_size, kWidePad); }
int64_t PaddedWidth(const MlpSpec& mlp) { return RoundUp(mlp.width, kWidePad); }
int64_t PaddedRank(const MambaSpec& mamba) { return RoundUp(mamba.dt_rank, kNarrowPad); }

absl::StatusOr<Weights> LoadWeights(const ModelConfig& config, TensorSource& source, Ops& ops) {
  PartReader reader(config, source);
  Loader model(/*layer=*/-1, reader, ops);
  Weights w;
  BATUCADA_ASSIGN_OR_RETURN(w.embeddings, model.Stacked({Part::kEmbeddings}, {.rows = kWidePad}));
  const std::vector<CacheId> caches = CacheIds(config);
  for (int32_t i = 0; i < config.num_layers(); ++i) {
    const LayerSpec& spec = config.layers[static_cast<size_t>(i)];
    Loader load(i, reader, ops);
    LayerWeights& layer = w.layers.emplace_back();
    if (spec.cache >= 0) layer.cache = caches[static_cast<size_t>(spec.cache)];
    BATUCADA_ASSIGN_OR_RETURN(layer.mixer_norm, load.Floats(Part::kMixerNorm));
    switch (spec.kind()) {
      case MixerKind::kMamba: {
        BATUCADA_ASSIGN_OR_RETURN(layer.mamba, load.Mamba(*spec.mamba()));
        break;
      }
      case MixerKind::kAttention: {
        BATUCADA_ASSIGN_OR_RETURN(layer.attention, load.Attention());
        break;
      }
    }
    if (spec.has_mlp()) {
      BATUCADA_ASSIGN_OR_RETURN(layer.mlp, load.Mlp());
    }
  }
  BATUCADA_ASSIGN_OR_RETURN(w.final_norm, model.Floats(Part::kFinalNorm));
  if (!config.tie_embeddings) {
    BATUCADA_ASSIGN_OR_RETURN(w.lm_head, model.Stacked({Part::kHead}, {.rows = kWidePad}));
  }
  BATUCADA_RETURN_IF_ERROR(source.CheckComplete());
  return w;
}

}  // namespace batucada
