#include "engine/model/workspace.h"

#include <algorithm>
#include <utility>

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
    bytes_ += (rows * cols * static_cast<int64_t>(SizeOf(dtype)) + 255) / 256 * 256;
    return {.data = data, .dtype = dtype, .rows = rows, .cols = cols, .stride = cols};
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* base_;
  int64_t bytes_ = 0;
};

int64_t Fill(Workspace& w, const ModelConfig& c, int64_t rows, int64_t logit_rows, DType act, char* base) {
  const PaddedWidths padded(c);
  const int64_t q = int64_t{c.heads} * c.head_dim, kv = int64_t{c.kv_heads} * c.head_dim;
  Layout layout(base);
  w.residual = layout.Take(rows, c.d_model, DType::kF32);
  w.normed = layout.Take(rows, c.d_model, act);
  w.wide = layout.Take(rows, std::max({int64_t{2} * c.d_inner, q + 2 * kv, int64_t{2} * padded.mlp}), act);
  w.inner = layout.Take(rows, std::max({int64_t{c.d_inner}, q, int64_t{padded.mlp}}), act);
  w.low_rank = layout.Take(rows, padded.dt_rank + 2 * c.d_state, act);
  w.dt = layout.Take(rows, c.d_inner, act);
  w.scan = layout.Take(rows, c.d_inner, act);
  w.last_hidden = layout.Take(logit_rows, c.d_model, DType::kF32);
  w.last_normed = layout.Take(logit_rows, c.d_model, act);
  w.logits = layout.Take(logit_rows, padded.vocab, DType::kF32);
  return layout.bytes();
}

}  // namespace

int64_t Workspace::Bytes(const ModelConfig& config, int32_t max_rows, int32_t max_logit_rows, DType activation) {
  Workspace measured;
  return Fill(measured, config, max_rows, max_logit_rows, activation, nullptr);
}

absl::StatusOr<Workspace> Workspace::Create(const ModelConfig& config, int32_t max_rows, int32_t max_logit_rows,
                                            Ops& ops) {
  Workspace w;
  const DType act = ops.activation_dtype();
  const int64_t bytes = Bytes(config, max_rows, max_logit_rows, act);
  BATUCADA_ASSIGN_OR_RETURN(w.storage, ops.Allocate(static_cast<size_t>(bytes), "workspace"));
  Fill(w, config, max_rows, max_logit_rows, act, w.storage.As<char>());
  return w;
}

}  // namespace batucada
