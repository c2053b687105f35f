// Helpers of the scan of prompts: they turn operands into tiles (softplus, δ·x, B and C) and outputs into rows (gate).
#pragma once

#include "kernels/cuda/selective_scan_tiles.cuh"

namespace batucada::cuda::scan {

__device__ __forceinline__ uint32_t Times(uint32_t a, uint32_t b) {
  const __nv_bfloat162 out =
      __hmul2(reinterpret_cast<const __nv_bfloat162&>(a), reinterpret_cast<const __nv_bfloat162&>(b));
  return reinterpret_cast<const uint32_t&>(out);
}

// {element, element} of a pair.
template <int kElement>
__device__ __forceinline__ uint32_t Twice(uint32_t pair) {
  return __byte_perm(pair, 0, kElement == 0 ? 0x1010 : 0x3232);
}

// A float as {rest, first} of two bf16 that add up to it but for 2^-15 of it at most.
__device__ __forceinline__ uint32_t TwoParts(float v) {
  const uint32_t first = __float_as_uint(v) & 0xffff0000u;
  return __byte_perm(__float_as_uint(v - __uint_as_float(first)), first, 0x7632);
}

// Row `row` of an operand; helpers compute many of these, so in one instruction. REQUIRES: stride is in [0, 2^31).
__device__ __forceinline__ const bf16* RowOf(const bf16* first, int row, int64_t stride) {
  const uint32_t bytes = static_cast<uint32_t>(stride) * sizeof(bf16);
  return reinterpret_cast<const bf16*>(reinterpret_cast<const char*>(first) +
                                       uint64_t{static_cast<uint32_t>(row)} * bytes);
}

__device__ __forceinline__ uint32_t Load2(const bf16* p, bool aligned) {
  if (aligned) return *reinterpret_cast<const uint32_t*>(p);
  const uint16_t* s = reinterpret_cast<const uint16_t*>(p);
  return s[0] | uint32_t{s[1]} << 16;
}

// As Silu, and 0 where 1 + exp(-x) exceeds 2^126.
__device__ __forceinline__ float PlainSilu(float x) {
  float of_sum;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(of_sum) : "f"(1.f + Exp2(-kLog2E * x)));
  return x * of_sum;
}

// As Softplus, without a branch and with one special function: max(x, 0) + log(1 + e) with e = exp(-|x|) in (0, 1],
// where log(1 + e) / e is this polynomial but for 1.4e-6 of it. Decode rows are 1 to 3% slower with these two: their
// blocks wait for memory, and not for special functions.
__device__ __forceinline__ float PolynomialSoftplus(float x) {
  const float e = Exp2(-kLog2E * fabsf(x));
  float y = 0.014141002669930458f;
  y = fmaf(y, e, -0.06640173494815826f);
  y = fmaf(y, e, 0.14922380447387695f);
  y = fmaf(y, e, -0.23503856360912323f);
  y = fmaf(y, e, 0.3310944736003876f);
  y = fmaf(y, e, -0.4998696446418762f);
  y = fmaf(y, e, 0.9999987483024597f);
  return fmaf(y, e, fmaxf(x, 0.f));
}

// A walker's product takes eleven bits of h and drops the others, which loses half of the eleventh: this much on
// average over mantissas in [1, 2) that are spread evenly on a logarithmic scale, 2^-11 / (2 ln 2). What remains of the
// error has the spread of rounding.
constexpr float kCutShort = 1.f + 3.522e-4f;

// A helper thread's part of a tile: four channels of two tokens, and eight values of B or C: two of each of four
// tokens' B, or half a token's C. Past the last row it reads that again, past the last channel the first, and lets
// nothing come of them.
template <int kChannels, bool kAligned>  // every operand can be loaded 16 bytes at a time
struct Helper {
  static constexpr int kQuads = Threads<kChannels>::kQuads;
  using Tiles = SharedTiles<kChannels>;

  const SelectiveScanParams& p;
  const Rows& rows;
  int token;  // the first
  int quad;
  bool valid;
  int channel;
  bool for_b, for_c;
  int bc_token;
  int bc_state;
  float bias[4];
  float skip[4];

  __device__ Helper(const SelectiveScanParams& params, const Rows& of, int thread)
      : p(params), rows(of), token(thread / kQuads * 2), quad(thread % kQuads),
        valid(static_cast<int>(blockIdx.x) * kChannels + quad * 4 < p.channels),
        channel(valid ? blockIdx.x * kChannels + quad * 4 : 0), for_b(thread < kTile * 2),
        for_c(!for_b && thread < kTile * 4), bc_token(for_b ? thread / 8 * 4 : (thread - kTile * 2) / 2),
        bc_state(for_b ? thread % 8 * 2 : thread % 2 * 8) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      bias[i] = p.dt_bias[channel + i];
      skip[i] = p.d[channel + i];
    }
  }

  __device__ __forceinline__ int Row(int tile, int of_token) const {
    return min(rows.begin + tile * kTile + of_token, rows.end - 1);
  }
  __device__ __forceinline__ bool Live(int tile, int of_token) const {
    return valid && rows.begin + tile * kTile + of_token < rows.end;
  }

  struct Ahead {
    uint2 x[2], dt[2];
    uint4 bc;
  };
  __device__ __forceinline__ Ahead LoadAhead(int tile) const {
    Ahead in;
    if (for_b) {
      uint32_t* const two = &in.bc.x;
#pragma unroll
      for (int i = 0; i < 4; ++i) two[i] = Load2(RowOf(p.b + bc_state, Row(tile, bc_token + i), p.b_stride), kAligned);
    } else if (for_c) {
      in.bc = Load8(RowOf(p.c + bc_state, Row(tile, bc_token), p.c_stride), kAligned);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = Row(tile, token + i);
      in.x[i] = Load4(RowOf(p.x + channel, row, p.x_stride), kAligned);
      in.dt[i] = Load4(RowOf(p.dt + channel, row, p.dt_stride), kAligned);
    }
    return in;
  }
  // Rows past the end get δ = 0, which leaves the state as it is.
  __device__ __forceinline__ void Prepare(const Ahead& in, int tile, Tiles& s) const {
    const int buffer = tile % 2;
    if (for_b) {
      const uint32_t half = Pack2(0.5f, 0.5f);
      const uint32_t of[4] = {Times(in.bc.x, half), Times(in.bc.y, half), Times(in.bc.z, half), Times(in.bc.w, half)};
      uint4* const to = s.b[(buffer * kTile + bc_token) / 8][bc_state];
      const int place = bc_token / 4 % 2;
#pragma unroll
      for (int odd = 0; odd < 2; ++odd) {
        reinterpret_cast<uint2*>(to + odd)[place] = {Twice<0>(of[odd]), Twice<0>(of[odd + 2])};
        reinterpret_cast<uint2*>(to + 2 + odd)[place] = {Twice<1>(of[odd]), Twice<1>(of[odd + 2])};
      }
    } else if (for_c) {
      s.c[bc_state / 8][buffer * kTile + bc_token] = in.bc;
    }
    constexpr uint32_t kNothing = 0xff80ff80u;  // -infinity, of which softplus makes 0
    float x[2][4], dt[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const bool live = Live(tile, token + i);
      Unpack4(in.x[i], x[i]);
      Unpack4({live ? in.dt[i].x : kNothing, live ? in.dt[i].y : kNothing}, dt[i]);
    }
    uint4* const to = s.delta[buffer * kPairs + token / 2];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float first = PolynomialSoftplus(dt[0][i] + bias[i]);
      const float second = PolynomialSoftplus(dt[1][i] + bias[i]);
      to[PlaceOf(quad * 4 + i)] = {TwoParts(first * x[0][i]), TwoParts(second * x[1][i]), __float_as_uint(first),
                                   __float_as_uint(second)};
    }
  }

  struct Behind {
    uint2 x[2], z[2];
  };
  __device__ __forceinline__ Behind LoadBehind(int tile) const {
    Behind in;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = Row(tile, token + i);
      in.x[i] = Load4(RowOf(p.x + channel, row, p.x_stride), kAligned);
      in.z[i] = Load4(RowOf(p.z + channel, row, p.z_stride), kAligned);
    }
    return in;
  }
  __device__ __forceinline__ void Finish(const Behind& in, int tile, const Tiles& s) const {
    const int at = tile % kYTiles * kTile + token;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float x[4], z[4], out[4];
      Unpack4(in.x[i], x);
      Unpack4(in.z[i], z);
      const float4 first = *reinterpret_cast<const float4*>(&s.y[0][at + i][quad * 4]);
      const float4 second = *reinterpret_cast<const float4*>(&s.y[1][at + i][quad * 4]);
      out[0] = (first.x + second.x) * kCutShort + skip[0] * x[0];
      out[1] = (first.y + second.y) * kCutShort + skip[1] * x[1];
      out[2] = (first.z + second.z) * kCutShort + skip[2] * x[2];
      out[3] = (first.w + second.w) * kCutShort + skip[3] * x[3];
      const bool live = Live(tile, token + i);
      const int row = Row(tile, token + i);
      if (p.memory != nullptr && live) Store(p.memory, row, p.memory_stride, out);
#pragma unroll
      for (int n = 0; n < 4; ++n) out[n] *= PlainSilu(z[n]);
      if (live) Store(p.out, row, p.out_stride, out);
    }
  }
  __device__ __forceinline__ void Store(bf16* first, int row, int64_t stride, const float (&v)[4]) const {
    bf16* const to = const_cast<bf16*>(RowOf(first + channel, row, stride));
    if constexpr (kAligned) {
      *reinterpret_cast<uint2*>(to) = {Pack2(v[0], v[1]), Pack2(v[2], v[3])};
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) to[i] = __float2bfloat16_rn(v[i]);
    }
  }
};

}  // namespace batucada::cuda::scan
