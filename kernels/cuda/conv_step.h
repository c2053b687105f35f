// One step of the causal convolution (causal_conv.h) of each decode row, as a product's end can do it: see
// MatMulParams::conv.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace batucada::cuda {

inline constexpr int kConvWidth = 4;

struct ConvStep {
  const float* weight;  // [channels, 4], oldest tap first
  const float* bias;    // [channels]
  char* conv;           // state of slot s: conv + s · slot_bytes, [channels, 3] bf16, oldest input first
  int64_t slot_bytes;
  const int32_t* start;  // [rows]; 0: the state is zero and not read
  const int32_t* slot;   // [rows]
  int32_t channels;      // a multiple of 4
  __nv_bfloat16* out;    // [rows, channels]
  int64_t out_stride;

#ifdef __CUDACC__
  __device__ __forceinline__ __nv_bfloat16* State(int64_t row, int64_t channel) const {
    return reinterpret_cast<__nv_bfloat16*>(conv + slot[row] * slot_bytes) + channel * (kConvWidth - 1);
  }
#endif
};

}  // namespace batucada::cuda
