#include "kernels/bench/cpu_ceilings.h"

#include <cblas.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "kernels/cpu/host_memory.h"

namespace batucada {
namespace {

constexpr int kRuns = 8;
constexpr size_t kReadBytes = size_t{1} << 29;  // several times the largest last-level cache
constexpr int kSgemmSize = 1536;

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
  const Buffer buffer = AllocateHostMemory(kReadBytes, "bandwidth measurement").value();
  const uint64_t* words = buffer.As<uint64_t>();
  // One load per cache line: the memory, not the core, is what is measured.
  constexpr int64_t kWordsPerLine = 8;
  const int64_t lines = static_cast<int64_t>(kReadBytes / 64);
  std::vector<uint64_t> sums(static_cast<size_t>(pool.threads()));
  const double seconds = BestSeconds(pool.threads(), [&] {
    pool.ParallelFor(lines, 1, [&](int64_t begin, int64_t end, int thread) {
      uint64_t sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += words[i * kWordsPerLine];
      sums[static_cast<size_t>(thread)] += sum;
    });
  });
  return static_cast<double>(kReadBytes) / seconds;
}

double SgemmPeak(int threads) {
  openblas_set_num_threads(threads);
  const size_t elements = size_t{kSgemmSize} * kSgemmSize;
  std::vector<float> a(elements, 0.5f), b(elements, 0.25f), c(elements);
  const double seconds = BestSeconds(threads, [&] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, kSgemmSize, kSgemmSize, kSgemmSize, 1, a.data(), kSgemmSize,
                b.data(), kSgemmSize, 0, c.data(), kSgemmSize);
  });
  return 2.0 * kSgemmSize * kSgemmSize * kSgemmSize / seconds;
}

}  // namespace

double BenchSeconds(int threads) {
  timespec now;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

CpuCeilings MeasureCpuCeilings(ThreadPool& pool) {
  return {.read_bytes_per_s = ReadBandwidth(pool), .sgemm_flop_per_s = SgemmPeak(pool.threads())};
}

}  // namespace batucada
