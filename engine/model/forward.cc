#include "engine/model/forward.h"

#include <algorithm>

namespace batucada {
namespace {

void Mamba(const Model& m, const LayerWeights& layer, const BatchView& b, Ops& ops) {
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
  ops.MatMulAdd(w.out_proj, y, ws.residual.Rows(0, rows));
}

void Attention(const Model& m, const LayerWeights& layer, const BatchView& b, Ops& ops) {
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
  ops.MatMulAdd(layer.attention.out, out, ws.residual.Rows(0, rows));
}

void Mlp(const Model& m, const LayerWeights& layer, const BatchView& b, Ops& ops) {
  const int64_t rows = b.num_tokens, width = PaddedWidths(m.config).mlp;
  const Workspace& ws = m.workspace;
  const Tensor gate_up = ws.wide.Rows(0, rows).Cols(0, 2 * width);
  const Tensor hidden = ws.inner.Rows(0, rows).Cols(0, width);

  ops.RmsNorm(ws.residual.Rows(0, rows), layer.mlp.norm.As<float>(), m.config.norm_eps, ws.normed.Rows(0, rows));
  ops.MatMulSwiGlu(layer.mlp.gate_up, ws.normed.Rows(0, rows), gate_up, hidden);
  ops.MatMulAdd(layer.mlp.down, hidden, ws.residual.Rows(0, rows));
}

}  // namespace

void Forward(const Model& m, const BatchView& b, Ops& ops) {
  const Workspace& ws = m.workspace;
  const Tensor residual = ws.residual.Rows(0, b.num_tokens);
  ops.Embed(m.weights.embeddings, b, residual);
  for (const LayerWeights& layer : m.weights.layers) {
    ops.RmsNorm(residual, layer.mixer_norm.As<float>(), m.config.norm_eps, ws.normed.Rows(0, b.num_tokens));
    layer.kind == LayerKind::kMamba ? Mamba(m, layer, b, ops) : Attention(m, layer, b, ops);
    if (m.config.has_mlp) Mlp(m, layer, b, ops);
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
