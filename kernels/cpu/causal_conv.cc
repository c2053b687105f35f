#include "kernels/cpu/causal_conv.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/causal_conv.cc"
#include "base/rounding.h"
#include "hwy/foreach_target.h"
#include "kernels/cpu/drafts.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

#ifndef BATUCADA_KERNELS_CPU_CAUSAL_CONV_ONCE_
#define BATUCADA_KERNELS_CPU_CAUSAL_CONV_ONCE_
namespace batucada {

// A task is this many channels of one sequence: some cache lines of every row, taken together because rows lie pages
// apart.
inline constexpr int64_t kChannels = 128;

}  // namespace batucada
#endif  // BATUCADA_KERNELS_CPU_CAUSAL_CONV_ONCE_

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

// Channels [first, first + count) of sequence s, count <= kChannels.
void ConvChannels(const BatchView& b, const ConvArgs& args, int32_t s, int64_t first, int64_t count) {
  float* state = OwnState(b, s, args.state.conv, args.state.slot_bytes, 3 * first, 3 * count);
  // Weights tap by tap, and the three inputs before the chunk as rows like any other.
  HWY_ALIGN float taps[4][kChannels];
  HWY_ALIGN float before[3][kChannels];
  ForEachVector(count, [&](auto d, int64_t i) HWY_ATTR {
    hn::Vec<decltype(d)> v0, v1, v2, v3;
    hn::LoadInterleaved4(d, args.weight + 4 * (first + i), v0, v1, v2, v3);
    hn::StoreU(v0, d, taps[0] + i);
    hn::StoreU(v1, d, taps[1] + i);
    hn::StoreU(v2, d, taps[2] + i);
    hn::StoreU(v3, d, taps[3] + i);
    hn::LoadInterleaved3(d, state + 3 * i, v0, v1, v2);
    hn::StoreU(v0, d, before[0] + i);
    hn::StoreU(v1, d, before[1] + i);
    hn::StoreU(v2, d, before[2] + i);
  });
  const int32_t rows = b.first_row[s + 1] - b.first_row[s];
  const auto input = [&](int32_t t) {  // t >= -3
    return t < 0 ? before[t + 3] : args.x.As<const float>() + (b.first_row[s] + t) * args.x.stride + first;
  };
  for (int32_t t = 0; t < rows; ++t) {
    const float *x3 = input(t - 3), *x2 = input(t - 2), *x1 = input(t - 1), *x0 = input(t);
    float* out = args.out.As<float>() + (b.first_row[s] + t) * args.out.stride + first;
    ForEachVector(count, [&](auto d, int64_t i) HWY_ATTR {
      auto sum = hn::MulAdd(hn::LoadU(d, taps[0] + i), hn::LoadU(d, x3 + i), hn::LoadU(d, args.bias + first + i));
      sum = hn::MulAdd(hn::LoadU(d, taps[1] + i), hn::LoadU(d, x2 + i), sum);
      sum = hn::MulAdd(hn::LoadU(d, taps[2] + i), hn::LoadU(d, x1 + i), sum);
      sum = hn::MulAdd(hn::LoadU(d, taps[3] + i), hn::LoadU(d, x0 + i), sum);
      hn::StoreU(Silu(d, sum), d, out + i);
    });
  }
  const float *x3 = input(rows - 3), *x2 = input(rows - 2), *x1 = input(rows - 1);
  ForEachVector(count, [&](auto d, int64_t i) HWY_ATTR {
    hn::StoreInterleaved3(hn::LoadU(d, x3 + i), hn::LoadU(d, x2 + i), hn::LoadU(d, x1 + i), d, state + 3 * i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(ConvChannels);
constexpr int64_t kMinElements = 8 << 10;  // per thread
}  // namespace

void CausalConv(const BatchView& b, const ConvArgs& args, ThreadPool& pool) {
  const int64_t channels = args.x.cols;
  const int64_t blocks = CeilDiv(channels, kChannels);
  // Threads divide the channels, so that one long prompt among short rows is still shared evenly.
  const Grain grain = Grain::Of(kMinElements, kChannels * b.num_tokens);
  pool.ParallelFor(blocks, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t first = begin * kChannels; first < std::min(channels, end * kChannels); first += kChannels) {
      const int64_t count = std::min(kChannels, channels - first);
      for (int32_t s = 0; s < b.num_sequences; ++s) HWY_DYNAMIC_DISPATCH(ConvChannels)(b, args, s, first, count);
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
