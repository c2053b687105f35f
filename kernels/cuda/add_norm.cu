#include "kernels/cuda/add_norm.h"

#include "kernels/cuda/block_sum.cuh"

namespace batucada::cuda {
namespace {

constexpr int kMostThreads = 1024;

template <bool kLayer>
__global__ void __launch_bounds__(kMostThreads) AddNormKernel(const AddNormParams p) {
  __shared__ float sums[2][kMostThreads / 32];
  LetNextKernelStart();
  const int pack = threadIdx.x;
  const bool there = pack * 4 < p.cols;
  const float4 zero{0.f, 0.f, 0.f, 0.f};
  const auto of_model = [&](const float* v) {
    return there && v != nullptr ? reinterpret_cast<const float4*>(v)[pack] : zero;
  };
  const float4 added = of_model(p.added);
  const float4 weight = of_model(p.weight);
  [[maybe_unused]] const float4 bias = kLayer ? of_model(p.bias) : zero;
  WaitForEarlierKernels();
  float4* const x = reinterpret_cast<float4*>(p.x + blockIdx.x * p.x_stride) + pack;
  const int64_t pitch = int64_t{p.rows} * p.cols / 4;
  const float4* const parts = reinterpret_cast<const float4*>(p.parts + int64_t{blockIdx.x} * p.cols) + pack;
  float4 v = there ? *x : zero;
  float4 part[kMostParts];  // all on their way before the first is added
#pragma unroll
  for (int i = 0; i < kMostParts; ++i) part[i] = there && i < p.num_parts ? parts[i * pitch] : zero;
#pragma unroll
  for (int i = 1; i < kMostParts; ++i) part[0] = Add(part[0], part[i]);
  v = Add(Add(v, part[0]), added);
  const float count = static_cast<float>(p.cols);
  float4 d = v;
  if constexpr (kLayer) {
    const float mean = BlockSum((v.x + v.y) + (v.z + v.w), sums[1]) / count;
    d = there ? float4{v.x - mean, v.y - mean, v.z - mean, v.w - mean} : zero;
  }
  const float squares = BlockSum(d.x * d.x + d.y * d.y + d.z * d.z + d.w * d.w, sums[0]);
  const float scale = rsqrtf(squares / count + p.eps);
  if (!there) return;
  if (p.num_parts > 0 || p.added != nullptr) *x = v;
  float4 out{d.x * scale * weight.x, d.y * scale * weight.y, d.z * scale * weight.z, d.w * scale * weight.w};
  if constexpr (kLayer) out = Add(out, bias);
  reinterpret_cast<uint2*>(p.out + blockIdx.x * p.out_stride)[pack] = {Pack2(out.x, out.y), Pack2(out.z, out.w)};
}

bool Aligned(const void* p, size_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

}  // namespace

bool AddNormServes(const AddNormParams& p) {
  return p.cols % 4 == 0 && p.cols <= 4 * kMostThreads && p.x_stride % 4 == 0 && p.out_stride % 4 == 0 &&
         Aligned(p.x, 16) && Aligned(p.parts, 16) && Aligned(p.added, 16) && Aligned(p.weight, 16) &&
         Aligned(p.bias, 16) && Aligned(p.out, 8);
}

cudaError_t AddNorm(const AddNormParams& params, const Target& target) {
  const int threads = CeilDiv(params.cols, 4 * 32) * 32;
  return Launch(target, params.bias != nullptr ? AddNormKernel<true> : AddNormKernel<false>, dim3(params.rows),
                dim3(threads), 0, params);
}

}  // namespace batucada::cuda
