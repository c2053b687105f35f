// One decode step and one prompt chunk of Samba 1.7B as its ops follow each other, with random weights: what the
// kernels leave a whole step, without the engine around them.
#include <algorithm>
#include <cstdlib>

#include "kernels/bench/cuda_ragged.h"

namespace batucada::bench {
namespace {

constexpr int64_t kModel = 2048, kInner = 4096, kRank = 128, kVocab = 50304;
constexpr int64_t kTrueMlp = 8196, kMlp = 8256;  // padded to whole cache lines of 64 bf16; floors count the true width
constexpr int32_t kHeads = 32, kKvHeads = 4, kDim = 64, kWindow = 2048, kBlockTokens = 64, kPairs = 12;
constexpr int64_t kLayerSlotBytes = kInner * (16 * 4 + 3 * 2);

struct Mlp {
  Matrix gate_up, down;
  explicit Mlp(Bench& b) : gate_up(b.RandomMatrix(2 * kMlp, kModel)), down(b.RandomMatrix(kModel, kMlp)) {}
};
struct Pair {
  Matrix in_proj, x_proj, dt_proj, out_proj, qkv, o_proj;
  Mlp mlp[2];
  explicit Pair(Bench& b)
      : in_proj(b.RandomMatrix(2 * kInner, kModel)), x_proj(b.RandomMatrix(kRank + 32, kInner)),
        dt_proj(b.RandomMatrix(kInner, kRank)), out_proj(b.RandomMatrix(kModel, kInner)),
        qkv(b.RandomMatrix((kHeads + 2 * kKvHeads) * kDim, kModel)),
        o_proj(b.RandomMatrix(kModel, kHeads * kDim)), mlp{Mlp(b), Mlp(b)} {}
};

struct Model {
  std::vector<Pair> pairs;
  Matrix embedding;
  Buffer norm, a, channel;  // shared by all layers: small
  double weight_elements = 0;

  explicit Model(Bench& b)
      : embedding(b.RandomMatrix(kVocab, kModel)), norm(b.Fill(kModel, DType::kF32)),
        a(b.Upload(std::vector<float>(kInner * 16, -1.f))), channel(b.Fill(kInner * 4, DType::kF32)) {
    for (int i = 0; i < kPairs; ++i) pairs.emplace_back(b);
    const Pair& p = pairs[0];
    for (const Matrix* m : {&p.in_proj, &p.x_proj, &p.dt_proj, &p.out_proj, &p.qkv, &p.o_proj, &p.mlp[0].gate_up,
                            &p.mlp[0].down, &p.mlp[1].gate_up, &p.mlp[1].down}) {
      weight_elements += static_cast<double>(m->out * m->in) * kPairs;
    }
    weight_elements -= static_cast<double>(2 * 3 * (kMlp - kTrueMlp) * kModel) * kPairs;
    weight_elements += static_cast<double>(kVocab * kModel);
  }
};

struct Activations {
  Buffer residual, normed, wide, x, dbc, dt, y, qkv, mixed, gate_up, hidden, logits, results;
  int64_t rows;
  Activations(Bench& b, int64_t n, int64_t sampled) : rows(n) {
    const auto act = [&](int64_t cols) { return b.Fill(static_cast<size_t>(n * cols), DType::kBf16); };
    residual = b.Fill(static_cast<size_t>(n * kModel), DType::kF32);
    normed = act(kModel);
    wide = act(2 * kInner);
    x = act(kInner);
    dbc = act(kRank + 32);
    dt = act(kInner);
    y = act(kInner);
    qkv = act((kHeads + 2 * kKvHeads) * kDim);
    mixed = act(kHeads * kDim);
    gate_up = act(2 * kMlp);
    hidden = act(kMlp);
    logits = b.Fill(static_cast<size_t>(sampled * kVocab), DType::kF32);
    results = b.Check(b.ops().Allocate(static_cast<size_t>(sampled) * sizeof(RowSample), "results"));
  }
};

struct Pools {
  int64_t block_stride = kPairs * 2 * int64_t{kKvHeads} * kBlockTokens * kDim;
  Buffer slots, blocks;
  Pools(Bench& b, int64_t num_slots, int64_t num_blocks)
      : slots(b.Check(b.ops().Allocate(static_cast<size_t>(num_slots * kPairs * kLayerSlotBytes), "slots"))),
        blocks(b.Fill(static_cast<size_t>(num_blocks * block_stride), DType::kBf16)) {}
};

void Forward(Bench& bench, const Model& m, Activations& a, Pools& pools, const BatchView& b, int64_t sampled,
             const RowSampling* requests) {
  Ops& ops = bench.ops();
  const int64_t n = a.rows;
  const Tensor residual{a.residual.data(), DType::kF32, n, kModel, kModel};
  const Tensor normed = bench.Act(a.normed, n, kModel), wide = bench.Act(a.wide, n, 2 * kInner);
  const Tensor dbc = bench.Act(a.dbc, n, kRank + 32), hidden = bench.Act(a.hidden, n, kMlp);
  const float* const norm = m.norm.As<float>();
  const auto mlp = [&](const Mlp& w, bool last) {
    ops.MatMulSwiGlu(w.gate_up, normed, bench.Act(a.gate_up, n, 2 * kMlp), hidden);
    if (last) return ops.MatMulAdd(w.down, hidden, residual);
    ops.MatMulAddNorm(w.down, hidden, residual, norm, 1e-5f, normed);
  };
  ops.Embed(m.embedding, b, residual);
  ops.RmsNorm(residual, norm, 1e-5f, normed);
  for (int i = 0; i < kPairs; ++i) {
    const Pair& p = m.pairs[static_cast<size_t>(i)];
    char* const slot = pools.slots.As<char>() + i * kLayerSlotBytes;
    const RecurrentView state{
        .ssm = reinterpret_cast<float*>(slot), .conv = slot + kInner * 64, .slot_bytes = kPairs * kLayerSlotBytes};
    ops.MatMul(p.in_proj, normed, wide);
    ops.CausalConv(b, {.x = wide.Cols(0, kInner),
                       .weight = m.channel.As<float>(),
                       .bias = m.channel.As<float>(),
                       .state = state,
                       .out = bench.Act(a.x, n, kInner)});
    ops.MatMul(p.x_proj, bench.Act(a.x, n, kInner), dbc);
    ops.SelectiveScan(b, {.x = bench.Act(a.x, n, kInner),
                          .dt = bench.Act(a.dt, n, kInner),
                          .dt_low = dbc.Cols(0, kRank),
                          .dt_proj = &p.dt_proj,
                          .b = dbc.Cols(kRank, 16),
                          .c = dbc.Cols(kRank + 16, 16),
                          .z = wide.Cols(kInner, kInner),
                          .a = m.a.As<float>(),
                          .d = m.channel.As<float>(),
                          .dt_bias = m.channel.As<float>(),
                          .state = state,
                          .d_state = 16,
                          .out = bench.Act(a.y, n, kInner)});
    ops.MatMulAddNorm(p.out_proj, bench.Act(a.y, n, kInner), residual, norm, 1e-5f, normed);
    mlp(p.mlp[0], false);
    ops.MatMul(p.qkv, normed, bench.Act(a.qkv, n, (kHeads + 2 * kKvHeads) * kDim));
    uint16_t* const k = pools.blocks.As<uint16_t>() + i * pools.block_stride / kPairs;
    ops.Attention(b, {.qkv = bench.Act(a.qkv, n, (kHeads + 2 * kKvHeads) * kDim),
                      .kv = {.k = k,
                             .v = k + pools.block_stride / kPairs / 2,
                             .block_stride = pools.block_stride,
                             .block_tokens = kBlockTokens},
                      .heads = kHeads,
                      .kv_heads = kKvHeads,
                      .head_dim = kDim,
                      .window = kWindow,
                      .rope_theta = 10000,
                      .out = bench.Act(a.mixed, n, kHeads * kDim)});
    ops.MatMulAddNorm(p.o_proj, bench.Act(a.mixed, n, kHeads * kDim), residual, norm, 1e-5f, normed);
    mlp(p.mlp[1], i + 1 == kPairs);
  }
  const Tensor last = residual.Rows(n - sampled, sampled);
  ops.RmsNorm(last, norm, 1e-5f, normed.Rows(0, sampled));
  const Tensor logits{a.logits.data(), DType::kF32, sampled, kVocab, kVocab};
  ops.MatMul(m.embedding, normed.Rows(0, sampled), logits);
  ops.Sample(logits, kVocab, requests, {}, a.results.As<RowSample>(), const_cast<int32_t*>(b.last_token));
}

}  // namespace

void BenchDecodeChain(Bench& bench) {
  const Model model(bench);
  for (const int32_t rows : {1, 8, 16, 32, 64, 128, 256}) {
    const Ragged batch(bench, rows, 1, 4999, kWindow / kBlockTokens);
    Activations a(bench, rows, rows);
    Pools pools(bench, rows, int64_t{rows} * kWindow / kBlockTokens);
    std::vector<RowSampling> requests(static_cast<size_t>(rows));
    for (int32_t i = 0; i < rows; ++i) requests[static_cast<size_t>(i)] = {.temperature = 0, .slot = i};
    const Buffer on_device = bench.Upload(requests);
    const double seconds =
        bench.Time(1, [&](int) { Forward(bench, model, a, pools, batch.view, rows, on_device.As<RowSampling>()); });
    const double state = 2. * kPairs * kLayerSlotBytes + 4. * kPairs * kWindow * kKvHeads * kDim;
    const double floor =
        std::max(bench.BytesFloor(2 * model.weight_elements), bench.FlopsFloor(2 * model.weight_elements * rows)) +
        bench.BytesFloor(rows * state);
    bench.Duration("decode_ops/samba-1.7b/b" + std::to_string(rows), seconds, floor);
  }
  for (const int32_t rows : {2048, 8192, 16384}) {
    const Ragged batch(bench, 1, rows, 32768, kWindow / kBlockTokens);
    Activations a(bench, rows, 1);
    Pools pools(bench, 1, kWindow / kBlockTokens);
    const Buffer on_device = bench.Upload(std::vector<RowSampling>(1));
    const double seconds =
        bench.Time(1, [&](int) { Forward(bench, model, a, pools, batch.view, 1, on_device.As<RowSampling>()); });
    const double matmul = 2 * (model.weight_elements - static_cast<double>(kVocab * kModel)) * rows;
    const double attention = 4. * kDim * kHeads * kWindow * kPairs * rows;
    bench.Rate("prefill_ops/samba-1.7b/chunk" + std::to_string(rows), seconds, bench.FlopsFloor(matmul + attention),
               rows * 1e-3, "k tok/s");
  }
}

}  // namespace batucada::bench
