// Four channels of one decode row take a step: their states are 24 bytes side by side.
#pragma once

#include "kernels/cuda/conv_step.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {

__device__ __forceinline__ float FloatOfBits(uint16_t bits) { return __uint_as_float(uint32_t{bits} << 16); }

// Weights and biases of four channels.
struct Taps {
  float4 weight[4];
  float bias[4];
  __device__ __forceinline__ void Load(const float* weights, const float* biases, int64_t channel) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      weight[i] = *reinterpret_cast<const float4*>(weights + (channel + i) * kConvWidth);
      bias[i] = biases[channel + i];
    }
  }
};

// The last three inputs of four channels.
struct ConvState {
  union {
    uint2 packs[kConvWidth - 1];
    uint16_t values[4 * (kConvWidth - 1)];  // [channel][oldest first]
  };

  // `aligned`: to 8 bytes; the same for the whole launch.
  __device__ __forceinline__ void Load(const bf16* from, bool aligned) {
#pragma unroll
    for (int i = 0; i < kConvWidth - 1; ++i) {
      if (aligned) {
        packs[i] = reinterpret_cast<const uint2*>(from)[i];
      } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) values[i * 4 + j] = reinterpret_cast<const uint16_t*>(from)[i * 4 + j];
      }
    }
  }
  __device__ __forceinline__ void Clear() {
#pragma unroll
    for (int i = 0; i < kConvWidth - 1; ++i) packs[i] = {0u, 0u};
  }
  __device__ __forceinline__ void Store(bf16* to, bool aligned) const {
#pragma unroll
    for (int i = 0; i < kConvWidth - 1; ++i) {
      if (aligned) {
        reinterpret_cast<uint2*>(to)[i] = packs[i];
      } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) reinterpret_cast<uint16_t*>(to)[i * 4 + j] = values[i * 4 + j];
      }
    }
  }
  // The convolution's four outputs, bf16; `x`, four inputs, become the newest.
  __device__ __forceinline__ uint2 Step(const Taps& taps, const uint2& x) {
    const uint16_t in[4] = {static_cast<uint16_t>(x.x), static_cast<uint16_t>(x.x >> 16), static_cast<uint16_t>(x.y),
                            static_cast<uint16_t>(x.y >> 16)};
    float out[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      uint16_t* const h = values + i * (kConvWidth - 1);
      const float4 w = taps.weight[i];
      out[i] = Silu(taps.bias[i] + w.x * FloatOfBits(h[0]) + w.y * FloatOfBits(h[1]) + w.z * FloatOfBits(h[2]) +
                    w.w * FloatOfBits(in[i]));
      h[0] = h[1];
      h[1] = h[2];
      h[2] = in[i];
    }
    return {Pack2(out[0], out[1]), Pack2(out[2], out[3])};
  }
};

// A step of columns [channel, channel + 4) of a row, its state aligned to 8 bytes: what it reads, then the rest.
class ConvAhead {
 public:
  // May run before earlier kernels have finished: nothing else in a pass writes what it reads.
  __device__ __forceinline__ void Load(const ConvStep& c, int64_t row, int64_t channel) {
    state_.Load(c.State(row, channel), true);
    if (c.start[row] == 0) state_.Clear();
    taps_.Load(c.weight, c.bias, channel);
  }
  // Once.
  __device__ __forceinline__ void Step(const ConvStep& c, int64_t row, int64_t channel, const uint2& x) {
    const uint2 out = state_.Step(taps_, x);
    state_.Store(c.State(row, channel), true);
    *reinterpret_cast<uint2*>(c.out + row * c.out_stride + channel) = out;
  }

 private:
  ConvState state_;
  Taps taps_;
};

// Both at once.
__device__ __forceinline__ void StepConv(const ConvStep& c, int64_t row, int64_t channel, const uint2& x) {
  ConvAhead step;
  step.Load(c, row, channel);
  step.Step(c, row, channel, x);
}

}  // namespace batucada::cuda
