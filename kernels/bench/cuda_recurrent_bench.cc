// Selective scan and causal convolution.
#include <algorithm>
#include <cstdlib>

#include "kernels/bench/cuda_ragged.h"
#include "kernels/cuda/selective_scan.h"

namespace batucada::bench {
namespace {

using bf16 = __nv_bfloat16;
constexpr int kStates = 16;

// The operands of one Mamba layer at `channels`.
struct Mamba {
  int64_t channels;
  Buffer xz, x, dbc, dt, out, a, d, bias, conv_weight, slots;
  RecurrentView state;

  Mamba(Bench& bench, int64_t rows, int64_t num_slots, int64_t channels_in) : channels(channels_in) {
    const auto n = [&](int64_t elements) { return static_cast<size_t>(elements); };
    xz = bench.Fill(n(rows * channels * 2), DType::kBf16);
    x = bench.Fill(n(rows * channels), DType::kBf16);
    dbc = bench.Fill(n(rows * 160), DType::kBf16);
    dt = bench.Fill(n(rows * channels), DType::kBf16);
    out = bench.Fill(n(rows * channels), DType::kBf16);
    std::vector<float> decay;
    for (int64_t i = 0; i < channels * kStates; ++i) decay.push_back(-1.f - static_cast<float>(i % kStates));
    a = bench.Upload(decay);
    d = bench.Fill(n(channels), DType::kF32);
    bias = bench.Upload(std::vector<float>(n(channels), -4.f));
    conv_weight = bench.Fill(n(channels * 4), DType::kF32);
    state.slot_bytes = channels * (kStates * 4 + 6 + 10);
    slots = bench.Check(bench.ops().device().Allocate(n(num_slots * state.slot_bytes), "slots"));
    state.ssm = slots.As<float>();
    state.conv = slots.As<char>() + channels * kStates * 4;
  }

  ConvArgs Conv(int64_t rows) {
    return {.x = {xz.data(), DType::kBf16, rows, channels, channels * 2},
            .weight = conv_weight.As<float>(),
            .bias = d.As<float>(),
            .state = state,
            .out = {x.data(), DType::kBf16, rows, channels, channels}};
  }
  ScanArgs Scan(int64_t rows) {
    const Tensor wide{dbc.data(), DType::kBf16, rows, 160, 160};
    return {.x = {x.data(), DType::kBf16, rows, channels, channels},
            .dt = {dt.data(), DType::kBf16, rows, channels, channels},
            .b = wide.Cols(128, 16),
            .c = wide.Cols(144, 16),
            .z = {xz.As<bf16>() + channels, DType::kBf16, rows, channels, channels * 2},
            .a = a.As<float>(),
            .d = d.As<float>(),
            .dt_bias = bias.As<float>(),
            .state = state,
            .d_state = kStates,
            .out = {out.data(), DType::kBf16, rows, channels, channels}};
  }
};

// The scan's floor: 16 exponentials per channel and token, 3 more for softplus and gate; or its bytes.
double PromptFloor(const Bench& bench, double tokens, double channels) {
  const double units = tokens * channels * (kStates + 3) / bench.ceilings().exponentials_per_s;
  return std::max(units, bench.BytesFloor(tokens * channels * 8));
}

}  // namespace

void BenchScan(Bench& bench) {
  struct Shape {
    int64_t channels;
    int32_t sequences, rows;
  };
  for (const Shape s : {Shape{4096, 1, 8192},
                        {4096, 1, 32768},
                        {4096, 4, 2048},
                        {4096, 16, 512},
                        {3072, 1, 8192},
                        {4608, 1, 8192},
                        {5120, 1, 8192},
                        {5632, 1, 8192},
                        {8192, 1, 8192},
                        {768, 1, 8192}}) {
    const Ragged batch(bench, s.sequences, s.rows, 0, 1);
    Mamba m(bench, batch.view.num_tokens, s.sequences, s.channels);
    const double tokens = batch.view.num_tokens;
    std::string name = "scan/d" + std::to_string(s.channels) + "/l" + std::to_string(s.rows);
    if (s.sequences > 1) name += "/s" + std::to_string(s.sequences);
    const double seconds =
        bench.Time(3, [&](int) { bench.ops().SelectiveScan(batch.view, m.Scan(batch.view.num_tokens)); });
    bench.Rate(name, seconds, PromptFloor(bench, tokens, static_cast<double>(s.channels)), tokens * 1e-6, "M tok/s");
    if (s.sequences > 1 || s.rows != 8192 || s.channels > 4096) continue;
    for (const int cuts : {1, 2, 4, 8}) {
      const ScanArgs a = m.Scan(batch.view.num_tokens);
      const double cut_seconds = bench.Time(3, [&](int) {
        const cudaError_t error = cuda::SelectiveScan({.x = a.x.As<bf16>(),
                                                       .x_stride = a.x.stride,
                                                       .dt = a.dt.As<bf16>(),
                                                       .dt_stride = a.dt.stride,
                                                       .b = a.b.As<bf16>(),
                                                       .b_stride = a.b.stride,
                                                       .c = a.c.As<bf16>(),
                                                       .c_stride = a.c.stride,
                                                       .z = a.z.As<bf16>(),
                                                       .z_stride = a.z.stride,
                                                       .a = a.a,
                                                       .d = a.d,
                                                       .dt_bias = a.dt_bias,
                                                       .ssm = reinterpret_cast<char*>(a.state.ssm),
                                                       .slot_bytes = a.state.slot_bytes,
                                                       .first_row = batch.view.first_row,
                                                       .start = batch.view.start,
                                                       .slot = batch.view.slot,
                                                       .num_sequences = 1,
                                                       .num_decode = 0,
                                                       .max_chunk = s.rows,
                                                       .channels = static_cast<int32_t>(s.channels),
                                                       .time_cuts = cuts,
                                                       .out = a.out.As<bf16>(),
                                                       .out_stride = a.out.stride},
                                                      bench.ops().target());
        if (error != cudaSuccess) std::abort();
      });
      bench.Rate(name + "/cuts" + std::to_string(cuts), cut_seconds,
                 PromptFloor(bench, tokens, static_cast<double>(s.channels)), tokens * 1e-6, "M tok/s");
    }
  }
  for (const int32_t batch_size : {1, 16, 64, 256}) {
    const Ragged batch(bench, batch_size, 1, 100, 1);
    const int layers = 16;  // so that states do not stay in the cache
    std::vector<Mamba> m;
    for (int i = 0; i < layers; ++i) m.emplace_back(bench, batch_size, batch_size, 4096);
    const double b = batch_size;
    double seconds = bench.Time(
        layers, [&](int i) { bench.ops().SelectiveScan(batch.view, m[static_cast<size_t>(i)].Scan(batch_size)); });
    bench.Duration("scan_step/d4096/b" + std::to_string(batch_size), seconds,
                   bench.BytesFloor(4096 * (64 + b * (2 * 64 + 8))));
    seconds = bench.Time(
        layers, [&](int i) { bench.ops().CausalConv(batch.view, m[static_cast<size_t>(i)].Conv(batch_size)); });
    bench.Duration("conv_step/d4096/b" + std::to_string(batch_size), seconds, bench.BytesFloor(4096 * (20 + b * 16)));
  }
  const Ragged batch(bench, 1, 16384, 0, 1);
  Mamba m(bench, 16384, 1, 4096);
  const double seconds = bench.Time(4, [&](int) { bench.ops().CausalConv(batch.view, m.Conv(16384)); });
  bench.Duration("conv/d4096/l16384", seconds, bench.BytesFloor(16384. * 4096 * 4));
}

}  // namespace batucada::bench
