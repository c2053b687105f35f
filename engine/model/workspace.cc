#include "engine/model/workspace.h"

#include <algorithm>
#include <utility>

#include "base/rounding.h"
#include "base/status.h"
#include "engine/model/weights.h"

namespace batucada {
namespace {

// Lays tensors out one behind the other; with no base it only measures.
class Layout {
 public:
  explicit Layout(char* base) : base_(base) {}

  Tensor Take(int64_t rows, int64_t cols, DType dtype) {
    char* const data = base_ == nullptr ? nullptr : base_ + bytes_;
    bytes_ += RoundUp(rows * cols * static_cast<int64_t>(SizeOf(dtype)), 256);
    return {.data = data, .dtype = dtype, .rows = rows, .cols = cols, .stride = cols};
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* base_;
  int64_t bytes_ = 0;
};

// Columns of what the layers write into, each as wide as the widest of them needs it.
struct Widths {
  explicit Widths(const ModelConfig& config) {
    const auto at_least = [](int64_t& width, int64_t needed) { width = std::max(width, needed); };
    for (const LayerSpec& layer : config.layers) {
      if (const MambaSpec* mamba = layer.mamba()) {
        at_least(wide, 2 * int64_t{mamba->d_inner});
        at_least(inner, mamba->d_inner);
        at_least(d_inner, mamba->d_inner);
        at_least(low_rank, PaddedRank(*mamba) + 2 * mamba->d_state);
        if (mamba->inner_norms != InnerNorms::kNone) at_least(raw_low_rank, PaddedRank(*mamba) + 2 * mamba->d_state);
      }
      if (const AttentionSpec* attention = layer.attention()) {
        at_least(wide, attention->query_width() + 2 * attention->kv_width());
        at_least(inner, attention->query_width() * (attention->differential ? 2 : 1));
      }
      if (const GmuSpec* gmu = layer.gmu()) {
        at_least(wide, gmu->d_inner);
        at_least(memory, gmu->d_inner);
      }
      at_least(wide, 2 * PaddedWidth(layer.mlp));
      at_least(inner, PaddedWidth(layer.mlp));
    }
  }

  int64_t wide = 0, inner = 0, d_inner = 0, low_rank = 0, raw_low_rank = 0, memory = 0;
};

int64_t Fill(Workspace& w, const ModelConfig& c, const WorkspaceSizes& sizes, DType act, char* base) {
  const Widths widths(c);
  const int64_t rows = sizes.rows, logit_rows = sizes.logit_rows;
  Layout layout(base);
  const auto carried = [&](int64_t count) {
    return CarriedRows{.residual = layout.Take(count, c.d_model, DType::kF32),
                       .normed = layout.Take(count, c.d_model, act),
                       .memory = layout.Take(count, widths.memory, act)};
  };
  w.carried = carried(rows);
  w.short_carried = carried(sizes.short_rows);
  w.wide = layout.Take(rows, widths.wide, act);
  w.inner = layout.Take(rows, widths.inner, act);
  w.low_rank = layout.Take(rows, widths.low_rank, act);
  w.raw_low_rank = layout.Take(rows, widths.raw_low_rank, DType::kF32);
  w.dt = layout.Take(rows, widths.d_inner, act);
  w.scan = layout.Take(rows, widths.d_inner, act);
  w.last_hidden = layout.Take(logit_rows, c.d_model, DType::kF32);
  w.last_normed = layout.Take(logit_rows, c.d_model, act);
  w.last_memory = layout.Take(logit_rows, widths.memory, act);
  w.logits = layout.Take(logit_rows, PaddedVocab(c), DType::kF32);
  return layout.bytes();
}

}  // namespace

int64_t Workspace::Bytes(const ModelConfig& config, const WorkspaceSizes& sizes, DType activation) {
  Workspace measured;
  return Fill(measured, config, sizes, activation, nullptr);
}

absl::StatusOr<Workspace> Workspace::Create(const ModelConfig& config, const WorkspaceSizes& sizes, Ops& ops) {
  Workspace w;
  const DType act = ops.activation_dtype();
  const int64_t bytes = Bytes(config, sizes, act);
  BATUCADA_ASSIGN_OR_RETURN(w.storage, ops.device().Allocate(static_cast<size_t>(bytes), "workspace"));
  Fill(w, config, sizes, act, w.storage.As<char>());
  return w;
}

}  // namespace batucada
