#include "bench/ceilings.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

#include "base/status.h"
#include "kernels/bench/cpu_ceilings.h"
#include "kernels/cpu/thread_pool.h"

namespace batucada {
namespace {

// Random bf16 in (-1, 1): products of zeros run faster than real ones.
std::vector<uint16_t> RandomBf16(size_t count) {
  std::mt19937 random(1);
  std::vector<uint16_t> values(count);
  for (uint16_t& v : values) v = static_cast<uint16_t>((random() & 0x807F) | ((0x7A + (random() & 3)) << 7));
  return values;
}

// Median seconds of one of `calls` calls of `body`.
template <typename Body>
absl::StatusOr<double> MedianSeconds(Ops& ops, int calls, const Body& body) {
  std::vector<double> seconds;
  for (int round = 0; round < 6; ++round) {
    BATUCADA_RETURN_IF_ERROR(ops.device().Synchronize());
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) body();
    BATUCADA_RETURN_IF_ERROR(ops.device().Synchronize());
    if (round > 0)
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / calls);
  }
  std::nth_element(seconds.begin(), seconds.begin() + 2, seconds.end());
  return seconds[2];
}

}  // namespace

Ceilings MeasureCpu(int threads) {
  ThreadPool pool(threads);
  const CpuCeilings measured = MeasureCpuCeilings(pool);
  return {.bytes_per_s = measured.read_bytes_per_s, .flops_per_s = measured.product_flop_per_s};
}

absl::StatusOr<Ceilings> MeasureGpu(Ops& ops) {
  Ceilings ceilings;
  {
    constexpr size_t kBytes = size_t{4} << 30;
    BATUCADA_ASSIGN_OR_RETURN(const Buffer from, ops.device().Allocate(kBytes, "copy source"));
    BATUCADA_ASSIGN_OR_RETURN(const Buffer to, ops.device().Allocate(kBytes, "copy target"));
    BATUCADA_ASSIGN_OR_RETURN(
        const double s, MedianSeconds(ops, 10, [&] { ops.device().CopyOnDevice(to.data(), from.data(), kBytes); }));
    ceilings.bytes_per_s = 2.0 * kBytes / s;
  }
  {
    constexpr int64_t kSize = 8192;
    const std::vector<uint16_t> values = RandomBf16(size_t{kSize} * kSize);
    const HostTensor host{.data = values.data(), .dtype = DType::kBf16, .rows = kSize, .cols = kSize};
    BATUCADA_ASSIGN_OR_RETURN(const Matrix w, ops.LoadMatrix(std::span(&host, 1), 1, 1, "GEMM weights"));
    BATUCADA_ASSIGN_OR_RETURN(const Buffer in, ops.device().Allocate(values.size() * 2, "GEMM input"));
    BATUCADA_ASSIGN_OR_RETURN(const Buffer out, ops.device().Allocate(values.size() * 2, "GEMM output"));
    ops.device().CopyToDevice(in.data(), values.data(), values.size() * 2);
    const Tensor a{in.data(), DType::kBf16, kSize, kSize, kSize}, c{out.data(), DType::kBf16, kSize, kSize, kSize};
    BATUCADA_ASSIGN_OR_RETURN(const double s, MedianSeconds(ops, 20, [&] { ops.MatMul(w, a, c); }));
    ceilings.flops_per_s = 2.0 * kSize * kSize * kSize / s;
  }
  return ceilings;
}

}  // namespace batucada
