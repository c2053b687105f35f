#include "kernels/cuda/rope_kv_write.h"

#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kRopeThreads = 160;  // one step of 32 + 4 heads of 64

// Sine and cosine of angles up to about 10^6 rad to 1e-6: the whole turns are taken off in three exact steps (Cody and
// Waite), the rest goes to the special-function units.
__device__ __forceinline__ void SinCos(float angle, float& sine, float& cosine) {
  const float turns = rintf(angle * 0.15915494309189535f);
  float rest = fmaf(turns, -6.28125f, angle);  // 2π in 9 + 11 bits and a remainder
  rest = fmaf(turns, -1.93500518798828125e-3f, rest);
  rest = fmaf(turns, -3.0199159819567e-7f, rest);
  __sincosf(rest, &sine, &cosine);
}

// One block per row; a thread keeps eight frequencies and walks over heads.
__global__ void __launch_bounds__(kRopeThreads) RopeKernel(const __grid_constant__ RopeParams p) {
  LetNextKernelStart();
  const int row = blockIdx.x;
  const int position = p.positions[row];
  const bool write = row < p.num_decode;
  bf16* const qkv = p.qkv + row * p.stride;
  const int half = p.head_dim / 2;
  const int units = half / 8;
  const int unit = threadIdx.x % units;
  // Where the row's first K/V head goes; positions and tables stand for the whole pass.
  const int64_t to = write ? p.blocks.Offset(row, position, 0, p.head_dim) : 0;
  const int64_t head_stride = static_cast<int64_t>(p.head_dim) << p.blocks.block_shift;
  float sine[8], cosine[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    sine[i] = 0.f;
    cosine[i] = 1.f;
    if (p.rotate) SinCos(static_cast<float>(position) * p.frequencies[unit * 8 + i], sine[i], cosine[i]);
  }
  WaitForEarlierKernels();
  if (p.rotate || write) {
    for (int head = threadIdx.x / units; head < p.heads + p.kv_heads; head += kRopeThreads / units) {
      bf16* const low = qkv + head * p.head_dim + unit * 8;
      float a[8], b[8], x[8], y[8];
      Unpack8(*reinterpret_cast<const uint4*>(low), a);
      Unpack8(*reinterpret_cast<const uint4*>(low + half), b);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        x[i] = a[i] * cosine[i] - b[i] * sine[i];
        y[i] = b[i] * cosine[i] + a[i] * sine[i];
      }
      *reinterpret_cast<uint4*>(low) = Pack8(x);
      *reinterpret_cast<uint4*>(low + half) = Pack8(y);
      if (write && head >= p.heads) {
        bf16* const k = p.blocks.k + to + (head - p.heads) * head_stride + unit * 8;
        *reinterpret_cast<uint4*>(k) = Pack8(x);
        *reinterpret_cast<uint4*>(k + half) = Pack8(y);
      }
    }
  }
  if (!write) return;
  const int packs = p.head_dim / 8;
  const bf16* const v = qkv + (p.heads + p.kv_heads) * p.head_dim;
  for (int i = threadIdx.x; i < p.kv_heads * packs; i += kRopeThreads) {
    bf16* const v_to = p.blocks.v + to + i / packs * head_stride + i % packs * 8;
    *reinterpret_cast<uint4*>(v_to) = *reinterpret_cast<const uint4*>(v + i * 8);
  }
}

// One block per prompt row.
__global__ void __launch_bounds__(kThreads) WritePromptsKernel(const __grid_constant__ RopeParams p) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int row = p.num_decode + blockIdx.x;
  const int sequence = p.row_sequence[row];
  const int position = p.positions[row];
  const int end = p.start[sequence] + p.first_row[sequence + 1] - p.first_row[sequence];
  // The query at `end` sees end - window + 1 and later; the ring holds no more than its capacity.
  const int64_t capacity = static_cast<int64_t>(p.blocks.table_width) << p.blocks.block_shift;
  if (position <= end - p.window || position < end - capacity) return;
  const int packs = p.head_dim / 8;
  const bf16* const k = p.qkv + row * p.stride + p.heads * p.head_dim;
  const bf16* const v = k + p.kv_heads * p.head_dim;
  for (int i = threadIdx.x; i < p.kv_heads * packs; i += kThreads) {
    const int64_t to = p.blocks.Offset(sequence, position, i / packs, p.head_dim) + i % packs * 8;
    *reinterpret_cast<uint4*>(p.blocks.k + to) = *reinterpret_cast<const uint4*>(k + i * 8);
    *reinterpret_cast<uint4*>(p.blocks.v + to) = *reinterpret_cast<const uint4*>(v + i * 8);
  }
}

}  // namespace

cudaError_t RopeAndWriteDecode(const RopeParams& params, const Target& target) {
  const int rows = params.rotate ? params.num_tokens : params.num_decode;
  if (rows == 0) return cudaSuccess;
  return Launch(target, RopeKernel, dim3(rows), dim3(kRopeThreads), 0, params);
}

cudaError_t WritePrompts(const RopeParams& params, const Target& target) {
  const int rows = params.num_tokens - params.num_decode;
  if (rows == 0) return cudaSuccess;
  return Launch(target, WritePromptsKernel, dim3(rows), dim3(kThreads), 0, params);
}

}  // namespace batucada::cuda
