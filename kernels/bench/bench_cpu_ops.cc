// bench_cpu_ops [--threads=N] [Google Benchmark flags]: every op that matters on the CPU, beside its floor.
//
// One thread is measured in its own CPU time, several by the clock. Counters: `GB/s` is bytes that must be read or
// written over time, `GFLOP/s` arithmetic over time, `of_floor` the share of the ceiling that binds, measured at the
// start of the same run: memory reads for few rows, multiply-adds in registers for many.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "kernels/bench/cpu_ceilings.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/silu_gate.h"

namespace batucada {
namespace {

struct Bench {
  int threads = UsableCores();
  CpuCeilings ceilings;
  std::unique_ptr<Ops> ops;
};
Bench& Global() {
  static Bench bench;
  return bench;
}

void Report(benchmark::State& state, double bytes, double flop) {
  const double runs = static_cast<double>(state.iterations());
  const double floor_s =
      std::max(bytes / Global().ceilings.read_bytes_per_s, flop / Global().ceilings.product_flop_per_s);
  const auto rate = [](double amount) { return benchmark::Counter(amount, benchmark::Counter::kIsRate); };
  if (bytes > 0) state.counters["GB/s"] = rate(bytes * runs * 1e-9);
  if (flop > 0) state.counters["GFLOP/s"] = rate(flop * runs * 1e-9);
  if (floor_s > 0) state.counters["of_floor"] = rate(floor_s * runs);
}

// fp32 [rows, cols] of small random numbers.
struct Activations {
  Activations(int64_t rows, int64_t cols) : values(static_cast<size_t>(rows * cols)) {
    std::minstd_rand engine;
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (float& v : values) v = uniform(engine);
    view = {values.data(), DType::kF32, rows, cols, cols};
  }
  std::vector<float> values;
  Tensor view;
};

// Sequences of equal length at the same start, each with its slot.
struct EvenBatch {
  EvenBatch(int32_t sequences, int32_t rows, int32_t first, int32_t table_width = 0) {
    for (int32_t s = 0; s < sequences; ++s) {
      first_row.push_back(s * rows);
      start.push_back(first);
      slot.push_back(s);
      for (int32_t i = 0; i < rows; ++i) {
        positions.push_back(first + i);
        row_sequence.push_back(s);
      }
      for (int32_t i = 0; i < table_width; ++i) table.push_back(s * table_width + i);
    }
    first_row.push_back(sequences * rows);
    view = {.num_tokens = sequences * rows,
            .num_sequences = sequences,
            .num_decode = rows == 1 ? sequences : 0,
            .positions = positions.data(),
            .row_sequence = row_sequence.data(),
            .first_row = first_row.data(),
            .start = start.data(),
            .slot = slot.data(),
            .block_table = table.data(),
            .table_width = table_width};
  }
  std::vector<int32_t> first_row, start, slot, positions, row_sequence, table;
  BatchView view;
};

// rows × [out, in], weights far larger than any cache in the few-rows cases: as many matrices in turn as fill 256 MiB.
void MatMulBench(benchmark::State& state, DType dtype) {
  const int64_t rows = state.range(0), out = state.range(1), in = state.range(2);
  const size_t bytes = static_cast<size_t>(out * in) * SizeOf(dtype);
  const size_t count = rows <= 64 ? std::max<size_t>(1, (size_t{1} << 28) / bytes) : 1;
  Activations source(out, in);
  std::vector<uint8_t> encoded(bytes);
  for (size_t i = 0; i < source.values.size(); ++i) {
    const char* f = reinterpret_cast<const char*>(&source.values[i]);
    if (dtype == DType::kBf16) std::memcpy(encoded.data() + 2 * i, f + 2, 2);  // the upper half of fp32
    if (dtype == DType::kF32) std::memcpy(encoded.data() + 4 * i, f, 4);
  }
  const HostTensor part = {encoded.data(), dtype, out, in};
  std::vector<Matrix> weights;
  for (size_t i = 0; i < count; ++i) weights.push_back(Global().ops->LoadMatrix({&part, 1}, 1, 1, "bench").value());
  Activations x(rows, in), y(rows, out);
  size_t next = 0;
  for (auto _ : state) Global().ops->MatMul(weights[next++ % count], x.view, y.view);
  Report(state, static_cast<double>(bytes), 2.0 * static_cast<double>(rows * out * in));
}

// d_inner = range(0), sequences = range(1), rows of each = range(2).
void ScanBench(benchmark::State& state) {
  constexpr int64_t kStates = 16;
  const int64_t channels = state.range(0), sequences = state.range(1), rows = state.range(2);
  Activations x(sequences * rows, channels), dt(sequences * rows, channels), z(sequences * rows, channels);
  Activations b(sequences * rows, kStates), c(sequences * rows, kStates), out(sequences * rows, channels);
  Activations a(channels, kStates), d(1, channels), bias(1, channels), states(sequences, channels * kStates);
  for (float& v : a.values) v = -std::abs(v);
  const EvenBatch batch(static_cast<int32_t>(sequences), static_cast<int32_t>(rows), 1);
  const RecurrentView slots = {states.values.data(), nullptr, channels * kStates * 4};
  for (auto _ : state) {
    Global().ops->SelectiveScan(batch.view, {.x = x.view,
                                             .dt = dt.view,
                                             .dt_low = {},
                                             .b = b.view,
                                             .c = c.view,
                                             .z = z.view,
                                             .a = a.values.data(),
                                             .d = d.values.data(),
                                             .dt_bias = bias.values.data(),
                                             .state = slots,
                                             .d_state = kStates,
                                             .out = out.view});
  }
  const double tokens = static_cast<double>(sequences * rows * state.iterations());
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsRate);
  state.counters["Gexp/s"] =
      benchmark::Counter(1e-9 * tokens * static_cast<double>(channels * kStates), benchmark::Counter::kIsRate);
  if (rows == 1) Report(state, static_cast<double>(2 * sequences * channels * kStates * 4), 0);
}

void ConvBench(benchmark::State& state) {
  const int64_t channels = state.range(0), rows = state.range(1);
  Activations x(rows, 2 * channels), out(rows, channels), weight(channels, 4), bias(1, channels), conv(channels, 3);
  const EvenBatch batch(1, static_cast<int32_t>(rows), 0);
  for (auto _ : state) {
    Global().ops->CausalConv(batch.view, {x.view.Cols(0, channels),
                                          weight.values.data(),
                                          bias.values.data(),
                                          {nullptr, conv.values.data(), 0},
                                          out.view});
  }
  Report(state, static_cast<double>(2 * rows * channels * 4), 0);
}

// heads, kv_heads, head_dim, window, sequences, rows of each; every query sees a whole window.
void AttentionBench(benchmark::State& state) {
  const int32_t heads = static_cast<int32_t>(state.range(0)), kv_heads = static_cast<int32_t>(state.range(1));
  const int32_t head_dim = static_cast<int32_t>(state.range(2)), window = static_cast<int32_t>(state.range(3));
  const int32_t sequences = static_cast<int32_t>(state.range(4)), rows = static_cast<int32_t>(state.range(5));
  constexpr int32_t kBlockTokens = 32;
  const int32_t width = window / kBlockTokens;
  const EvenBatch batch(sequences, rows, window, width);
  const int64_t all = int64_t{sequences} * rows, dim = head_dim;
  Activations qkv(all, (heads + 2 * kv_heads) * dim), out(all, heads * dim);
  const int64_t plane = int64_t{kv_heads} * kBlockTokens * head_dim;
  Activations blocks(static_cast<int64_t>(sequences) * width, 2 * plane);
  const KvView kv = {blocks.values.data(), blocks.values.data() + plane, 2 * plane, kBlockTokens};
  for (auto _ : state) {
    Global().ops->Attention(batch.view, {.qkv = qkv.view,
                                         .kv = kv,
                                         .heads = heads,
                                         .kv_heads = kv_heads,
                                         .head_dim = head_dim,
                                         .window = window,
                                         .rope = {},
                                         .out = out.view});
  }
  const double pairs = static_cast<double>(sequences) * rows * heads * window;
  // Decode rows read the window's K and V once per K/V head; chunks are bound by arithmetic.
  const double bytes = rows == 1 ? 8.0 * sequences * kv_heads * window * head_dim : 0;
  Report(state, bytes, 4 * head_dim * pairs);
}

void SwiGluBench(benchmark::State& state) {
  const int64_t rows = state.range(0), m = state.range(1);
  Activations gate_up(rows, 2 * m), out(rows, m);
  ThreadPool pool(0);
  for (auto _ : state)
    SiluGate(gate_up.view.Cols(0, out.view.cols), gate_up.view.Cols(out.view.cols, out.view.cols), out.view, pool);
  Report(state, static_cast<double>(3 * rows * m * 4), 0);
}

void SampleBench(benchmark::State& state, const RowSampling& row) {
  const int64_t vocab = state.range(0);
  Activations logits(1, vocab);
  for (float& v : logits.values) v *= 8;
  RowSample result;
  int32_t last_token = 0;
  RowSampling sampling = row;
  for (auto _ : state) {
    ++sampling.position;
    Global().ops->Sample(logits.view, static_cast<int32_t>(vocab), &sampling, {}, &result, &last_token);
  }
}

template <typename... Arguments>
benchmark::internal::Benchmark* Add(const char* name, Arguments&&... arguments) {
  auto* bench = benchmark::RegisterBenchmark(name, std::forward<Arguments>(arguments)...);
  if (Global().threads > 1) bench->UseRealTime();
  return bench;
}

void Register() {
  // Widths of 1.7B: in_proj, gate and up, down; and of the embedded model.
  for (DType dtype : {DType::kBf16, DType::kF32}) {
    auto* matmul = Add(dtype == DType::kBf16 ? "matmul/bf16" : "matmul/fp32", MatMulBench, dtype);
    matmul->ArgNames({"rows", "out", "in"});
    for (int64_t rows : {1, 2, 4, 8, 16, 24, 32, 64, 128, 512}) matmul->Args({rows, 8192, 2048});
    for (int64_t rows : {1, 16, 512}) matmul->Args({rows, 2048, 8192})->Args({rows, 1536, 384});
  }
  Add("scan", ScanBench)
      ->ArgNames({"d_inner", "sequences", "rows"})
      ->Args({4096, 1, 512})
      ->Args({4096, 1, 1})
      ->Args({4096, 16, 1})
      ->Args({768, 1, 512})
      ->Args({768, 16, 1});
  Add("conv", ConvBench)->ArgNames({"d_inner", "rows"})->Args({4096, 512})->Args({768, 512});
  Add("attention", AttentionBench)
      ->ArgNames({"heads", "kv_heads", "head_dim", "window", "sequences", "rows"})
      ->Args({32, 4, 64, 2048, 1, 256})
      ->Args({12, 12, 128, 2048, 1, 256})
      ->Args({11, 1, 256, 2048, 1, 256})
      ->Args({6, 2, 64, 512, 1, 512})
      ->Args({32, 4, 64, 2048, 16, 1})
      ->Args({12, 12, 128, 2048, 4, 1})
      ->Args({11, 1, 256, 2048, 8, 1})
      ->Args({6, 2, 64, 512, 1, 1});
  Add("swiglu", SwiGluBench)->ArgNames({"rows", "m"})->Args({1, 8192})->Args({512, 8192});
  for (const auto& [name, row] : {std::pair{"sample/greedy", RowSampling{.temperature = 0}},
                                  {"sample/all", {}},
                                  {"sample/top_k", {.top_k = 50}},
                                  {"sample/top_p", {.top_p = 0.95f}},
                                  {"sample/logprobs", {.temperature = 0, .num_top = 20}}}) {
    Add(name, SampleBench, row)->ArgName("vocab")->Arg(8192)->Arg(50304);
  }
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--threads=", 10) != 0) continue;
    Global().threads = std::max(1, std::atoi(argv[i] + 10));
    std::copy(argv + i + 1, argv + argc, argv + i);
    --argc;
    break;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  {
    ThreadPool pool(Global().threads);
    Global().ceilings = MeasureCpuCeilings(pool);
  }
  Global().ops = MakeCpuOps(Global().threads).value();
  std::printf("%s\nceilings: %.1f GB/s memory read, %.0f GFLOP/s of products\n",
              Global().ops->device().Info().name.c_str(), Global().ceilings.read_bytes_per_s * 1e-9,
              Global().ceilings.product_flop_per_s * 1e-9);
  Register();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace batucada

int main(int argc, char** argv) { return batucada::Main(argc, argv); }
