#include "engine/model/forward.h"

#include <algorithm>
#include <limits>

namespace batucada {
namespace {

// The rows that go through a layer: all of a step, or some of those whose logits are wanted.
struct Rows {
  int64_t count = 0;
  Tensor residual;                // [count, d_model] fp32
  Tensor normed;                  // [count, d_model] act
  Tensor memory;                  // [count, E] act, what GMU layers gate
  const int32_t* rows = nullptr;  // [count] which rows of the step; null: all
};

// The norm in front of what follows. Without weights there is none: after the last layer only rows that sample go on.
struct NextNorm {
  const NormWeights* weights = nullptr;
  NormSpec spec;
};

void Norm(const NormSpec& spec, const NormWeights& w, Tensor x, Tensor out, Ops& ops) {
  switch (spec.kind) {
    case NormKind::kRms: return ops.RmsNorm(x, w.weight.As<float>(), spec.eps, out);
    case NormKind::kLayer: return ops.LayerNorm(x, w.weight.As<float>(), w.bias.As<float>(), spec.eps, out);
  }
}

void AddBias(Tensor x, const Buffer& bias, Ops& ops) {
  if (bias.data() != nullptr) ops.AddBias(x, bias.As<float>());
}

// Adds a part's product, and its bias if there is one, to the residual stream and norms that for what follows.
void AddToResidual(const Matrix& w, const Buffer* bias, Tensor in, const Rows& r, const NextNorm& next, Ops& ops) {
  const float* const added = bias != nullptr ? bias->As<float>() : nullptr;
  if (next.weights != nullptr) {
    const float* const norm_bias = next.spec.kind == NormKind::kLayer ? next.weights->bias.As<float>() : nullptr;
    return ops.MatMulAddNorm(
        w, in, r.residual,
        {.added = added, .weight = next.weights->weight.As<float>(), .bias = norm_bias, .eps = next.spec.eps},
        r.normed);
  }
  ops.MatMulAdd(w, in, r.residual);
  if (added != nullptr) ops.AddBias(r.residual, added);
}

void Mamba(const Model& m, const MambaSpec& spec, const LayerWeights& layer, const BatchView& b, const Rows& rows,
           const NextNorm& next, Ops& ops) {
  const MambaWeights& w = layer.mamba;
  const int64_t count = rows.count, e = spec.d_inner, n = spec.d_state, r = PaddedRank(spec);
  const Workspace& ws = m.workspace;
  const Tensor xz = ws.wide.Rows(0, count).Cols(0, 2 * e);
  const Tensor x = ws.inner.Rows(0, count).Cols(0, e);
  const Tensor low_rank = ws.low_rank.Rows(0, count).Cols(0, r + 2 * n);
  const Tensor dt = ws.dt.Rows(0, count).Cols(0, e);
  const Tensor y = ws.scan.Rows(0, count).Cols(0, e);
  const RecurrentView state = m.state.Recurrent(layer.cache);

  ops.MatMulCausalConv(w.in_proj, rows.normed, xz, b,
                       {.x = xz.Cols(0, e),
                        .weight = w.conv_weight.As<float>(),
                        .bias = w.conv_bias.As<float>(),
                        .state = state,
                        .out = x});
  LowRankArgs low{.x_proj = &w.x_proj};
  if (spec.inner_norms != InnerNorms::kNone) {
    low = {.x_proj = &w.x_proj,
           .raw = ws.raw_low_rank.Rows(0, count).Cols(0, r + 2 * n),
           .dt_norm = w.dt_norm.As<float>(),
           .b_norm = w.b_norm.As<float>(),
           .c_norm = w.c_norm.As<float>(),
           .dt_rank = spec.dt_rank,
           .eps = spec.inner_eps};
  }
  ops.MatMulSelectiveScan(b, low,
                          {.x = x,
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
                           .memory = spec.publishes_memory ? rows.memory.Cols(0, e) : Tensor{},
                           .out = y});
  AddToResidual(w.out_proj, nullptr, y, rows, next, ops);
}

void Gmu(const Model& m, const GmuSpec& spec, const LayerWeights& layer, const Rows& rows, const NextNorm& next,
         Ops& ops) {
  const Tensor gate = m.workspace.wide.Rows(0, rows.count).Cols(0, spec.d_inner);
  ops.MatMul(layer.gmu.in, rows.normed, gate);
  ops.SiluGate(gate, rows.memory.Cols(0, spec.d_inner), gate);
  AddToResidual(layer.gmu.out, nullptr, gate, rows, next, ops);
}

// What attention has made of the values, on its way to the residual stream.
void AddAttention(const Model& m, const AttentionSpec& spec, const AttentionWeights& w, Tensor out, const Rows& rows,
                  const NextNorm& next, Ops& ops) {
  if (!spec.differential) return AddToResidual(w.out, &w.out_bias, out, rows, next, ops);
  constexpr float kPairEps = 1e-5F;
  const Tensor combined = m.workspace.wide.Rows(0, rows.count).Cols(0, spec.query_width());
  ops.DiffCombine({.streams = out,
                   .group = spec.heads / spec.kv_heads,
                   .width = 2 * spec.head_dim,
                   .lambda = w.lambda,
                   .weight = w.pair_norm.As<float>(),
                   .eps = kPairEps,
                   .out = combined});
  AddToResidual(w.out, &w.out_bias, combined, rows, next, ops);
}

void Attention(const Model& m, const AttentionSpec& spec, const LayerWeights& layer, const StepView& step,
               const Rows& rows, const NextNorm& next, Ops& ops) {
  const AttentionWeights& w = layer.attention;
  const int64_t q = spec.query_width(), kv = spec.kv_width();
  const Tensor qkv = m.workspace.wide.Rows(0, rows.count).Cols(0, q + 2 * kv);
  const Tensor out = m.workspace.inner.Rows(0, rows.count).Cols(0, spec.differential ? 2 * q : q);

  ops.MatMul(w.qkv, rows.normed, qkv);
  AddBias(qkv, w.qkv_bias, ops);
  ops.Attention(step.WithKv(layer.cache.group), {.qkv = qkv,
                                                 .kv = m.state.Kv(layer.cache),
                                                 .heads = spec.heads,
                                                 .kv_heads = spec.kv_heads,
                                                 .head_dim = spec.head_dim,
                                                 .window = spec.window,
                                                 .rope = spec.rope,
                                                 .paired_values = spec.differential,
                                                 .out = out});
  AddAttention(m, spec, w, out, rows, next, ops);
}

// Keys and values of all rows, where the queries of later layers and tokens find them.
void WriteKv(const Model& m, const AttentionSpec& spec, const LayerWeights& layer, const StepView& step,
             const Rows& rows, Ops& ops) {
  const Tensor kv = m.workspace.wide.Rows(0, rows.count).Cols(0, 2 * spec.kv_width());
  ops.MatMul(layer.attention.kv, rows.normed, kv);
  AddBias(kv, layer.attention.kv_bias, ops);
  ops.WriteKv(step.WithKv(layer.cache.group), {.kv = kv,
                                               .to = m.state.Kv(layer.cache),
                                               .kv_heads = spec.kv_heads,
                                               .head_dim = spec.head_dim,
                                               .window = spec.window});
}

// Attention over keys and values that are all written already.
void CrossAttention(const Model& m, const AttentionSpec& spec, const LayerWeights& layer, const StepView& step,
                    const Rows& rows, const NextNorm& next, Ops& ops) {
  const AttentionWeights& w = layer.attention;
  const int64_t width = spec.query_width();
  const Tensor q = m.workspace.wide.Rows(0, rows.count).Cols(0, width);
  const Tensor out = m.workspace.inner.Rows(0, rows.count).Cols(0, spec.differential ? 2 * width : width);
  ops.MatMul(w.q, rows.normed, q);
  AddBias(q, w.q_bias, ops);
  ops.CrossAttention(step.WithKv(layer.cache.group), {.q = q,
                                                      .rows = rows.rows,
                                                      .kv = m.state.Kv(layer.cache),
                                                      .heads = spec.heads,
                                                      .kv_heads = spec.kv_heads,
                                                      .head_dim = spec.head_dim,
                                                      .paired_values = spec.differential,
                                                      .out = out});
  AddAttention(m, spec, w, out, rows, next, ops);
}

void Mlp(const Model& m, const MlpSpec& spec, const LayerWeights& layer, const Rows& rows, const NextNorm& next,
         Ops& ops) {
  const int64_t width = PaddedWidth(spec);
  const Tensor gate_up = m.workspace.wide.Rows(0, rows.count).Cols(0, 2 * width);
  const Tensor hidden = m.workspace.inner.Rows(0, rows.count).Cols(0, width);

  ops.MatMulSwiGlu(layer.mlp.gate_up, rows.normed, gate_up, hidden);
  AddToResidual(layer.mlp.down, nullptr, hidden, rows, next, ops);
}

// Mixers and MLPs, numbered in the order in which rows go through them.
struct Parts {
  int32_t first = 0, end = std::numeric_limits<int32_t>::max();

  bool Have(int32_t part) const { return first <= part && part < end; }
};

void RunMixer(const Model& m, const LayerSpec& spec, const LayerWeights& layer, const StepView& step, const Rows& rows,
              const NextNorm& next, Ops& ops) {
  switch (spec.kind()) {
    case MixerKind::kMamba: return Mamba(m, *spec.mamba(), layer, step.rows, rows, next, ops);
    case MixerKind::kGmu: return Gmu(m, *spec.gmu(), layer, rows, next, ops);
    case MixerKind::kAttention:
      return rows.rows == nullptr ? Attention(m, *spec.attention(), layer, step, rows, next, ops)
                                  : CrossAttention(m, *spec.attention(), layer, step, rows, next, ops);
  }
}

// Of layers [first, end) these parts. Rows come normed for the first and leave normed for layer `end`, or for the
// logits where there is none and they are wanted of all rows.
void RunLayers(const Model& m, size_t first, size_t end, const Parts& parts, const StepView& step, const Rows& rows,
               bool all_sample, Ops& ops) {
  const std::vector<LayerSpec>& specs = m.config.layers;
  const std::vector<LayerWeights>& layers = m.weights.layers;
  int32_t part = 0;
  for (size_t i = first; i < end; ++i) {
    const LayerSpec& spec = specs[i];
    const LayerWeights& layer = layers[i];
    const NextNorm next_layer = i + 1 < layers.size() ? NextNorm{&layers[i + 1].mixer_norm, specs[i + 1].norm}
                                : all_sample          ? NextNorm{&m.weights.final_norm, m.config.final_norm}
                                                      : NextNorm{};
    const NextNorm after_mixer = spec.has_mlp() ? NextNorm{&layer.mlp.norm, spec.norm} : next_layer;
    if (parts.Have(part++)) RunMixer(m, spec, layer, step, rows, after_mixer, ops);
    if (spec.has_mlp() && parts.Have(part++)) Mlp(m, spec.mlp, layer, rows, next_layer, ops);
  }
}

// How many layers all rows go through.
size_t SharedLayers(const ModelConfig& config) {
  return std::min(config.layers.size(), static_cast<size_t>(config.sampled_from));
}

}  // namespace

int32_t CountParts(const ModelConfig& config) {
  int32_t parts = 0;
  for (size_t i = 0; i < SharedLayers(config); ++i) parts += config.layers[i].has_mlp() ? 2 : 1;
  return parts;
}

void Forward(const Model& m, const StepView& step, Ops& ops) { ForwardParts(m, step, 0, CountParts(m.config), ops); }

void ForwardParts(const Model& m, const StepView& step, int32_t first, int32_t end, Ops& ops) {
  const int64_t count = step.rows.num_tokens;
  const Rows rows{.count = count,
                  .residual = step.carried->residual.Rows(0, count),
                  .normed = step.carried->normed.Rows(0, count),
                  .memory = step.carried->memory.Rows(0, count)};
  if (first == 0) {
    ops.Embed(m.weights.embeddings, step.rows, rows.residual);
    Norm(m.config.layers[0].norm, m.weights.layers[0].mixer_norm, rows.residual, rows.normed, ops);
  }
  const size_t shared = SharedLayers(m.config);
  RunLayers(m, 0, shared, {first, end}, step, rows, step.every_row_samples, ops);
  if (end == CountParts(m.config) && shared < m.config.layers.size()) {
    WriteKv(m, *m.config.layers[shared].attention(), m.weights.layers[shared], step, rows, ops);
  }
}

void ComputeLogits(const Model& m, const StepView& step, const SampleView& s, Ops& ops) {
  const Workspace& ws = m.workspace;
  const size_t shared = SharedLayers(m.config), layers = m.config.layers.size();
  const CarriedRows& carried = *step.carried;
  const bool all = step.every_row_samples;  // they stay where they are, and are normed already
  const Rows rows{.count = s.count,
                  .residual = (all ? carried.residual : ws.last_hidden).Rows(0, s.count),
                  .normed = (all ? carried.normed : ws.last_normed).Rows(0, s.count),
                  .memory = (all ? carried.memory : ws.last_memory).Rows(0, s.count),
                  .rows = s.rows};
  if (!all) {
    ops.GatherRows(carried.residual, rows.rows, rows.residual);
    if (shared < layers && rows.memory.cols > 0) ops.GatherRows(carried.memory, rows.rows, rows.memory);
    const NextNorm next = shared < layers ? NextNorm{&m.weights.layers[shared].mixer_norm, m.config.layers[shared].norm}
                                          : NextNorm{&m.weights.final_norm, m.config.final_norm};
    Norm(next.spec, *next.weights, rows.residual, rows.normed, ops);
  }
  if (shared < layers) RunLayers(m, shared, layers, Parts{}, step, rows, /*all_sample=*/true, ops);
  ops.MatMul(m.weights.head(), rows.normed, ws.logits.Rows(0, s.count));
}

void DrawRows(const Model& m, const SampleView& s, Ops& ops) {
  ops.Sample(m.workspace.logits.Rows(0, s.count), m.config.vocab_size, s.sampling, s.controls, s.results, s.last_token);
}

void SampleRows(const Model& m, const StepView& step, const SampleView& s, Ops& ops) {
  const auto most = static_cast<int32_t>(m.workspace.logits.rows);
  for (int32_t first = 0; first < s.count; first += most) {
    SampleView slice = s;
    slice.count = std::min(most, s.count - first);
    slice.rows += first;
    slice.sampling += first;
    slice.results += first;
    ComputeLogits(m, step, slice, ops);
    DrawRows(m, slice, ops);
  }
}

}  // namespace batucada
