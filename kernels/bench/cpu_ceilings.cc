#include "kernels/bench/cpu_ceilings.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/cpu/amx.h"
#include "kernels/cpu/host_memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/bench/cpu_ceilings.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Multiply-adds on one thread: `count` by each lane of each chain. Returns the operations; `sink` keeps them alive.
double MultiplyAdds(int64_t count, float* sink) {
  constexpr int kChains = 12;  // hide the latency of two a clock, and fit in 16 registers beside their operands
  using D = hn::CappedTag<float, 16>;
  const D d;
  const auto factor = hn::Set(d, 0.5f), term = hn::Set(d, *sink);
  hn::Vec<D> sums[kChains];
  for (auto& sum : sums) sum = term;
  for (int64_t i = 0; i < count; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = hn::MulAdd(sums[c], factor, term);
  }
  auto all = sums[0];
  for (int c = 1; c < kChains; ++c) all = hn::Add(all, sums[c]);
  *sink = hn::GetLane(all);
  return 2.0 * kChains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(count);
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(MultiplyAdds);

constexpr int kRuns = 8;
constexpr size_t kReadBytes = size_t{3} << 28;  // more than last-level caches hold

template <typename Work>
double BestSeconds(int threads, const Work& work) {
  double best = 1e30;
  for (int i = 0; i < kRuns; ++i) {
    const double begin = BenchSeconds(threads);
    work();
    best = std::min(best, BenchSeconds(threads) - begin);
  }
  return best;
}

double ReadBandwidth(ThreadPool& pool) {
  // Resident: pages that nobody has written are all the same one, of zeros.
  const Buffer buffer = AllocateHostMemory(kReadBytes, "bandwidth measurement", Residency::kAtOnce).value();
  const uint64_t* words = buffer.As<uint64_t>();
  // One load per cache line: the memory, not the core, is what is measured.
  constexpr int64_t kWordsPerLine = 8;
  const int64_t lines = static_cast<int64_t>(kReadBytes / 64);
  std::vector<uint64_t> sums(static_cast<size_t>(pool.threads()));
  const double seconds = BestSeconds(pool.threads(), [&] {
    pool.ParallelFor(lines, Grain(), [&](int64_t begin, int64_t end, int thread) {
      uint64_t sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += words[i * kWordsPerLine];
      sums[static_cast<size_t>(thread)] += sum;
    });
  });
  return static_cast<double>(kReadBytes) / seconds;
}

// Operations per second of `work(count, sink)` on all threads; it returns its operations.
template <typename Work>
double Peak(ThreadPool& pool, int64_t count, const Work& work) {
  std::vector<double> done(static_cast<size_t>(pool.threads()));
  const double seconds = BestSeconds(pool.threads(), [&] {
    pool.ParallelFor(pool.threads(), Grain(), [&](int64_t begin, int64_t, int) {
      float sink = 0.25f;
      done[static_cast<size_t>(begin)] = work(count, &sink) + (sink == 0 ? 1 : 0);
    });
  });
  double all = 0;
  for (const double operations : done) all += operations;
  return all / seconds;
}

#if defined(__x86_64__)
// TDPBF16PS on one thread, four independent ones at a time.
__attribute__((target("amx-tile,amx-bf16"))) double TileProducts(int64_t count, float*) {
  struct alignas(64) {
    uint8_t palette = 1;
    std::array<uint8_t, 15> unused = {};
    std::array<uint16_t, 16> row_bytes = {64, 64, 64, 64, 64, 64, 64, 64};
    std::array<uint8_t, 16> rows = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  _tile_loadconfig(&config);  // tiles are zeros
  for (int64_t i = 0; i < count; ++i) {
    _tile_dpbf16ps(0, 6, 4);
    _tile_dpbf16ps(1, 6, 5);
    _tile_dpbf16ps(2, 7, 4);
    _tile_dpbf16ps(3, 7, 5);
  }
  _tile_release();
  return 4.0 * 2 * 16 * 16 * 32 * static_cast<double>(count);
}
#else
double TileProducts(int64_t, float*) { return 0; }
#endif

}  // namespace

double BenchSeconds(int threads) {
  timespec now;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

CpuCeilings MeasureCpuCeilings(ThreadPool& pool) {
  const double adds =
      Peak(pool, 1 << 18, [](int64_t count, float* sink) { return HWY_DYNAMIC_DISPATCH(MultiplyAdds)(count, sink); });
  const double tiles = UsesAmx() ? Peak(pool, 1 << 15, TileProducts) : 0;
  return {.read_bytes_per_s = ReadBandwidth(pool), .product_flop_per_s = std::max(adds, tiles / 2)};
}

}  // namespace batucada
#endif  // HWY_ONCE
