#include "engine/model/forward.h"

#include <algorithm>

namespace batucada {
namespace {

// The norm in front of what follows. Without weights there is none: after the last layer only rows that sample go on.
struct NextNorm {
  const Buffer* weight = nullptr;
  NormSpec spec;
};

// Adds a part's product to the residual stream and norms that for what follows.
void AddToResidual(const Model& m, const Matrix& w, Tensor in, const NextNorm& next, Ops& ops) {
  const Tensor residual = m.workspace.residual.Rows(0, in.rows);
  if (next.weight == nullptr) return ops.MatMulAdd(w, in, residual);
  ops.MatMulAddNorm(w, in, residual, next.weight->As<float>(), next.spec.eps, m.workspace.normed.Rows(0, in.rows));
}

void Mamba(const Model& m, const MambaSpec& spec, const LayerWeights& layer, const BatchView& b, const NextNorm& next,
           Ops& ops) {
  const MambaWeights& w = layer.mamba;
  const int64_t rows = b.num_tokens, e = spec.d_inner, n = spec.d_state, r = PaddedRank(spec);
  const Workspace& ws = m.workspace;
  const Tensor xz = ws.wide.Rows(0, rows).Cols(0, 2 * e);
  const Tensor x = ws.inner.Rows(0, rows).Cols(0, e);
  const Tensor low_rank = ws.low_rank.Rows(0, rows).Cols(0, r + 2 * n);
  const Tensor dt = ws.dt.Rows(0, rows).Cols(0, e);
  const Tensor y = ws.scan.Rows(0, rows).Cols(0, e);
  const RecurrentView state = m.state.Recurrent(layer.cache);

  ops.MatMul(w.in_proj, ws.normed.Rows(0, rows), xz);
  ops.CausalConv(b, {.x = xz.Cols(0, e),
                     .weight = w.conv_weight.As<float>(),
                     .bias = w.conv_bias.As<float>(),
                     .state = state,
                     .out = x});
  if (spec.inner_norms == InnerNorms::kNone) {
    ops.MatMul(w.x_proj, x, low_rank);
  } else {
    const Tensor raw = ws.raw_low_rank.Rows(0, rows).Cols(0, r + 2 * n);
    const auto norm = [&](int64_t first, int64_t count, const Buffer& weight) {
      ops.RmsNorm(raw.Cols(first, count), weight.As<float>(), spec.inner_eps, low_rank.Cols(first, count));
    };
    ops.MatMul(w.x_proj, x, raw);
    norm(0, spec.dt_rank, w.dt_norm);
    norm(r, n, w.b_norm);
    norm(r + n, n, w.c_norm);
  }
  ops.SelectiveScan(b, {.x = x,
                        .dt = dt,
                        .dt_low = low_rank.Cols(0, r),
                        .dt_proj = &w.dt_proj,
                        .b = low_rank.Cols(r, n),
                        .c = low_rank.Cols(r + n, n),
                        .z = xz.Cols(e, e),
                        .a = w.a.As<float>(),
                        .d = w.d.As<float>(),
                        .dt_bias = w.dt_bias.As<float>(),
                        .state = state,
                        .d_state = spec.d_state,
                        .out = y});
  AddToResidual(m, w.out_proj, y, next, ops);
}

void Attention(const Model& m, const AttentionSpec& spec, const LayerWeights& layer, const StepView& step,
               const NextNorm& next, Ops& ops) {
  const int64_t rows = step.rows.num_tokens, q = spec.query_width(), kv = spec.kv_width();
  const Workspace& ws = m.workspace;
  const Tensor qkv = ws.wide.Rows(0, rows).Cols(0, q + 2 * kv);
  const Tensor out = ws.inner.Rows(0, rows).Cols(0, q);

  ops.MatMul(layer.attention.qkv, ws.normed.Rows(0, rows), qkv);
  ops.Attention(step.WithKv(layer.cache.group), {.qkv = qkv,
                                                 .kv = m.state.Kv(layer.cache),
                                                 .heads = spec.heads,
                                                 .kv_heads = spec.kv_heads,
                                                 .head_dim = spec.head_dim,
                                                 .window = spec.window,
                                                 .rope = {.theta = spec.rope_theta},
                                                 .out = out});
  AddToResidual(m, layer.attention.out, out, next, ops);
}

void Mlp(const Model& m, const MlpSpec& spec, const LayerWeights& layer, const BatchView& b, const NextNorm& next,
         Ops& ops) {
  const int64_t rows = b.num_tokens, width = PaddedWidth(spec);
  const Workspace& ws = m.workspace;
  const Tensor gate_up = ws.wide.Rows(0, rows).Cols(0, 2 * width);
  const Tensor hidden = ws.inner.Rows(0, rows).Cols(0, width);

  ops.MatMulSwiGlu(layer.mlp.gate_up, ws.normed.Rows(0, rows), gate_up, hidden);
  AddToResidual(m, layer.mlp.down, hidden, next, ops);
}

}  // namespace

void Forward(const Model& m, const StepView& step, Ops& ops) {
  const BatchView& b = step.rows;
  const Workspace& ws = m.workspace;
  const Tensor residual = ws.residual.Rows(0, b.num_tokens);
  ops.Embed(m.weights.embeddings, b, residual);
  const std::vector<LayerSpec>& specs = m.config.layers;
  const std::vector<LayerWeights>& layers = m.weights.layers;
  ops.RmsNorm(residual, layers[0].mixer_norm.As<float>(), specs[0].norm.eps, ws.normed.Rows(0, b.num_tokens));
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& spec = specs[i];
    const LayerWeights& layer = layers[i];
    const NextNorm next_layer =
        i + 1 < layers.size() ? NextNorm{&layers[i + 1].mixer_norm, specs[i + 1].norm} : NextNorm{};
    const NextNorm after_mixer = spec.has_mlp() ? NextNorm{&layer.mlp.norm, spec.norm} : next_layer;
    switch (spec.kind()) {
      case MixerKind::kMamba: Mamba(m, *spec.mamba(), layer, b, after_mixer, ops); break;
      case MixerKind::kAttention: Attention(m, *spec.attention(), layer, step, after_mixer, ops); break;
    }
    if (spec.has_mlp()) Mlp(m, spec.mlp, layer, b, next_layer, ops);
  }
}

void SampleRows(const Model& m, const SampleView& s, Ops& ops) {
  const Workspace& ws = m.workspace;
  const auto most = static_cast<int32_t>(ws.logits.rows);
  for (int32_t first = 0; first < s.count; first += most) {
    const int32_t count = std::min(most, s.count - first);
    const Tensor hidden = ws.last_hidden.Rows(0, count);
    const Tensor normed = ws.last_normed.Rows(0, count);
    const Tensor logits = ws.logits.Rows(0, count);
    ops.GatherRows(ws.residual, s.rows + first, hidden);
    ops.RmsNorm(hidden, m.weights.final_norm.As<float>(), m.config.final_norm.eps, normed);
    ops.MatMul(m.weights.head(), normed, logits);
    ops.Sample(logits, m.config.vocab_size, s.sampling + first, s.controls, s.results + first, s.last_token);
  }
}

}  // namespace batucada
