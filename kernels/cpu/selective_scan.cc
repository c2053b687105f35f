#include "kernels/cpu/selective_scan.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/selective_scan.cc"
#include "base/rounding.h"
#include "hwy/foreach_target.h"
#include "kernels/cpu/drafts.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

#ifndef BATUCADA_KERNELS_CPU_SELECTIVE_SCAN_ONCE_
#define BATUCADA_KERNELS_CPU_SELECTIVE_SCAN_ONCE_
namespace batucada {

inline constexpr int64_t kScanChannels = 32;  // channels and tokens of one tile: its three arrays fill 12 KiB of L1
inline constexpr int64_t kScanTokens = 32;
inline constexpr int64_t kStateGroup = 16;  // states a channel keeps in registers at a time

}  // namespace batucada
#endif  // BATUCADA_KERNELS_CPU_SELECTIVE_SCAN_ONCE_

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

using D = hn::CappedTag<float, kStateGroup>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = hn::MaxLanes(D());
constexpr int kVectors = static_cast<int>(kStateGroup / kLanes);  // of one channel's state: 1 with AVX-512, 2 with AVX2

struct ScanTile {
  HWY_ALIGN float delta[kScanTokens][kScanChannels];    // δ
  HWY_ALIGN float delta_x[kScanTokens][kScanChannels];  // δ·x
  HWY_ALIGN float y[kScanTokens][kScanChannels];        // C·h
};

// One token of one channel's 16 states: advances h and returns the products whose sum is C·h.
HWY_INLINE V Advance(const V (&a)[kVectors], V (&h)[kVectors], float delta, float delta_x, const float* b,
                     const float* c) {
  const D d;
  V product[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const V decay = Exponential(d, hn::Mul(hn::Set(d, delta), a[v]));
    const V input = hn::Mul(hn::Set(d, delta_x), hn::LoadU(d, b + v * kLanes));
    h[v] = hn::MulAdd(decay, h[v], input);
    product[v] = hn::Mul(h[v], hn::LoadU(d, c + v * kLanes));
  }
#pragma GCC unroll 4
  for (int width = kVectors / 2; width > 0; width /= 2) {
#pragma GCC unroll 4
    for (int v = 0; v < width; ++v) product[v] = hn::Add(product[v], product[v + width]);
  }
  return product[0];
}

// Adds states [n, n + 16) of channel column `e` to tile.y over `tokens` tokens. h and a are that group's; b and c point
// at column n of the tile's first row.
HWY_INLINE void ScanChannel(ScanTile& tile, int64_t e, int64_t tokens, const float* a_row, float* h_row, const float* b,
                            int64_t b_stride, const float* c, int64_t c_stride) {
  const D d;
  const hn::CappedTag<float, 4> d4;
  V a[kVectors], h[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    a[v] = hn::LoadU(d, a_row + v * kLanes);
    h[v] = hn::LoadU(d, h_row + v * kLanes);
  }
  for (int64_t t = 0; t < tokens; t += 4) {
    // Four tokens share the horizontal sums. Past the end, zeros stand in.
    V product[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    const int64_t count = std::min<int64_t>(4, tokens - t);
    if (count == 4) {
#pragma GCC unroll 4
      for (int64_t i = 0; i < 4; ++i) {
        product[i] =
            Advance(a, h, tile.delta[t + i][e], tile.delta_x[t + i][e], b + (t + i) * b_stride, c + (t + i) * c_stride);
      }
    } else {
      for (int64_t i = 0; i < count; ++i) {
        product[i] =
            Advance(a, h, tile.delta[t + i][e], tile.delta_x[t + i][e], b + (t + i) * b_stride, c + (t + i) * c_stride);
      }
    }
    HWY_ALIGN float sums[4];
    hn::Store(FourSums(d, product[0], product[1], product[2], product[3]), d4, sums);
    for (int64_t i = 0; i < count; ++i) tile.y[t + i][e] += sums[i];
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) hn::StoreU(h[v], d, h_row + v * kLanes);
}

// `channels` channels from `first` of sequence s, one tile of tokens after the other.
void ScanSequence(const BatchView& batch, const ScanArgs& args, int32_t s, int64_t first, int64_t channels) {
  const int64_t states = args.d_state;
  float* h = OwnState(batch, s, args.state.ssm, args.state.slot_bytes, first * states, channels * states);

  ScanTile tile;
  for (int64_t row = batch.first_row[s]; row < batch.first_row[s + 1]; row += kScanTokens) {
    const int64_t tokens = std::min<int64_t>(kScanTokens, batch.first_row[s + 1] - row);
    const auto at = [&](const Tensor& t, int64_t i) { return t.As<float>() + (row + i) * t.stride + first; };
    // δ and δ·x, vectors of channels.
    for (int64_t t = 0; t < tokens; ++t) {
      const float *x = at(args.x, t), *dt = at(args.dt, t);
      ForEachVector(channels, [&](auto d, int64_t i) HWY_ATTR {
        const auto delta = Softplus(d, hn::Add(hn::LoadU(d, dt + i), hn::LoadU(d, args.dt_bias + first + i)));
        hn::StoreU(delta, d, tile.delta[t] + i);
        hn::StoreU(hn::Mul(delta, hn::LoadU(d, x + i)), d, tile.delta_x[t] + i);
        hn::StoreU(hn::Zero(d), d, tile.y[t] + i);
      });
    }
    // The recurrence, vectors of states: channel outer, token inner, h in registers.
    for (int64_t n = 0; n < states; n += kStateGroup) {
      const float* b = args.b.As<float>() + row * args.b.stride + n;
      const float* c = args.c.As<float>() + row * args.c.stride + n;
      for (int64_t e = 0; e < channels; ++e) {
        ScanChannel(tile, e, tokens, args.a + (first + e) * states + n, h + e * states + n, b, args.b.stride, c,
                    args.c.stride);
      }
    }
    // Skip connection and gate, vectors of channels.
    for (int64_t t = 0; t < tokens; ++t) {
      const float *x = at(args.x, t), *z = at(args.z, t);
      float* out = at(args.out, t);
      float* memory = args.memory.data == nullptr ? nullptr : at(args.memory, t);
      ForEachVector(channels, [&](auto d, int64_t i) HWY_ATTR {
        const auto y = hn::MulAdd(hn::LoadU(d, args.d + first + i), hn::LoadU(d, x + i), hn::LoadU(d, tile.y[t] + i));
        if (memory != nullptr) hn::StoreU(y, d, memory + i);
        hn::StoreU(hn::Mul(y, Silu(d, hn::LoadU(d, z + i))), d, out + i);
      });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(ScanSequence);
constexpr int64_t kMinStates = 16 << 10;  // state updates per thread
}  // namespace

void SelectiveScan(const BatchView& b, const ScanArgs& args, ThreadPool& pool) {
  const int64_t channels = args.x.cols;
  const int64_t blocks = CeilDiv(channels, kScanChannels);
  const Grain grain = Grain::Of(kMinStates, kScanChannels * args.d_state * b.num_tokens);
  // Threads divide the channels, so that one long prompt among single rows is still shared evenly.
  pool.ParallelFor(blocks, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kScanChannels;
      const int64_t count = std::min(kScanChannels, channels - first);
      for (int32_t s = 0; s < b.num_sequences; ++s) HWY_DYNAMIC_DISPATCH(ScanSequence)(b, args, s, first, count);
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
