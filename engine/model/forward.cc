#include "engine/model/forward.h"

#include <algorithm>

namespace batucada {
namespace {

// The norm in front of what follows; none after the last layer, where only rows that sample go on.
using NextNorm = const Buffer*;

// Adds a part's product to the residual stream and norms that for what follows.
void AddToResidual(const Model& m, const Matrix& w, Tensor in, NextNorm next, Ops& ops) {
  const Tensor residual = m.workspace.residual.Rows(0, in.rows);
  if (next == nullptr) return ops.MatMulAdd(w, in, residual);
  ops.MatMulAddNorm(w, in, residual, next->As<float>(), m.config.norm_eps, m.workspace.normed.Rows(0, in.rows));
}

void Mamba(const Model& m, const LayerWeights& layer, const BatchView& b, NextNorm next, Ops& ops) {
  const ModelConfig& c = m.config;
  const MambaWeights& w = layer.mamba;
  const int64_t rows = b.num_tokens, e = c.d_inner, n = c.d_state, r = PaddedWidths(c).dt_rank;
  const Workspace& ws = m.workspace;
  const Tensor xz = ws.wide.Rows(0, rows).Cols(0, 2 * e);
  const Tensor x = ws.inner.Rows(0, rows).Cols(0, e);
  const Tensor low_rank = ws.low_rank.Rows(0, rows);
  const Tensor dt = ws.dt.Rows(0, rows);
  const Tensor y = ws.scan.Rows(0, rows);
  const RecurrentView state = m.recurrent.Layer(layer.index);

  ops.MatMul(w.in_proj, ws.normed.Rows(0, rows), xz);
  ops.CausalConv(b, {.x = xz.Cols(0, e),
                     .weight = w.conv_weight.As<float>(),
                     .bias = w.conv_bias.As<float>(),
                     .state = state,
                     .out = x});
  ops.MatMul(w.x_proj, x, low_rank);
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
                        .d_state = c.d_state,
                        .out = y});
  AddToResidual(m, w.out_proj, y, next, ops);
}

void Attention(const Model& m, const LayerWeights& layer, const BatchView& b, NextNorm next, Ops& ops) {
  const ModelConfig& c = m.config;
  const int64_t rows = b.num_tokens, q = int64_t{c.heads} * c.head_dim, kv = int64_t{c.kv_heads} * c.head_dim;
  const Workspace& ws = m.workspace;
  const Tensor qkv = ws.wide.Rows(0, rows).Cols(0, q + 2 * kv);
  const Tensor out = ws.inner.Rows(0, rows).Cols(0, q);

  ops.MatMul(layer.attention.qkv, ws.normed.Rows(0, rows), qkv);
  ops.Attention(b, {.qkv = qkv,
                    .kv = m.kv.Layer(layer.index),
                    .heads = c.heads,
                    .kv_heads = c.kv_heads,
                    .head_dim = c.head_dim,
                    .window = c.window,
                    .rope_theta = c.rope_theta,
                    .out = out});
  AddToResidual(m, layer.attention.out, out, next, ops);
}

void Mlp(const Model& m, const LayerWeights& layer, const BatchView& b, NextNorm next, Ops& ops) {
  const int64_t rows = b.num_tokens, width = PaddedWidths(m.config).mlp;
  const Workspace& ws = m.workspace;
  const Tensor gate_up = ws.wide.Rows(0, rows).Cols(0, 2 * width);
  const Tensor hidden = ws.inner.Rows(0, rows).Cols(0, width);

  ops.MatMulSwiGlu(layer.mlp.gate_up, ws.normed.Rows(0, rows), gate_up, hidden);
  AddToResidual(m, layer.mlp.down, hidden, next, ops);
}

}  // namespace

void Forward(const Model& m, const BatchView& b, Ops& ops) {
  const Workspace& ws = m.workspace;
  const Tensor residual = ws.residual.Rows(0, b.num_tokens);
  ops.Embed(m.weights.embeddings, b, residual);
  const std::vector<LayerWeights>& layers = m.weights.layers;
  ops.RmsNorm(residual, layers[0].mixer_norm.As<float>(), m.config.norm_eps, ws.normed.Rows(0, b.num_tokens));
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerWeights& layer = layers[i];
    const NextNorm next_layer = i + 1 < layers.size() ? &layers[i + 1].mixer_norm : nullptr;
    const NextNorm after_mixer = m.config.has_mlp ? &layer.mlp.norm : next_layer;
    layer.kind == LayerKind::kMamba ? Mamba(m, layer, b, after_mixer, ops) : Attention(m, layer, b, after_mixer, ops);
    if (m.config.has_mlp) Mlp(m, layer, b, next_layer, ops);
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
    ops.RmsNorm(hidden, m.weights.final_norm.As<float>(), m.config.norm_eps, normed);
    ops.MatMul(m.weights.head(), normed, logits);
    ops.Sample(logits, m.config.vocab_size, s.sampling + first, s.controls, s.results + first, s.last_token);
  }
}

}  // namespace batucada
