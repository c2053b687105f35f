#include "kernels/cpu/causal_conv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/causal_conv.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

// Channels [first, first + count) of sequence s.
void ConvChannels(const BatchView& b, const ConvArgs& args, int32_t s, int64_t first, int64_t count) {
  float* state = reinterpret_cast<float*>(static_cast<char*>(args.state.conv) + b.slot[s] * args.state.slot_bytes);
  const int32_t rows = b.first_row[s + 1] - b.first_row[s];
  const float* x = args.x.As<float>() + b.first_row[s] * args.x.stride;
  float* out = args.out.As<float>() + b.first_row[s] * args.out.stride;
  ForEachVector(count, [&](auto d, int64_t i) HWY_ATTR {
    using V = hn::Vec<decltype(d)>;
    const int64_t e = first + i;
    V w0, w1, w2, w3;
    hn::LoadInterleaved4(d, args.weight + 4 * e, w0, w1, w2, w3);
    const V bias = hn::LoadU(d, args.bias + e);
    V x3 = hn::Zero(d), x2 = x3, x1 = x3;  // x[t-3], x[t-2], x[t-1]
    if (b.start[s] > 0) hn::LoadInterleaved3(d, state + 3 * e, x3, x2, x1);
    for (int32_t t = 0; t < rows; ++t) {
      const V x0 = hn::LoadU(d, x + t * args.x.stride + e);
      V sum = hn::MulAdd(w0, x3, bias);
      sum = hn::MulAdd(w1, x2, sum);
      sum = hn::MulAdd(w2, x1, sum);
      sum = hn::MulAdd(w3, x0, sum);
      hn::StoreU(Silu(d, sum), d, out + t * args.out.stride + e);
      x3 = x2;
      x2 = x1;
      x1 = x0;
    }
    hn::StoreInterleaved3(x3, x2, x1, d, state + 3 * e);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(ConvChannels);
constexpr int64_t kChannels = 64;            // a task is this many channels of one sequence
constexpr int64_t kMinElements = 8 * 1024;   // per thread
}  // namespace

void CausalConv(const BatchView& b, const ConvArgs& args, ThreadPool& pool) {
  const int64_t channels = args.x.cols;
  const int64_t blocks = (channels + kChannels - 1) / kChannels;
  // Threads divide the channels, so that one long prompt among short rows is still shared evenly.
  const int64_t grain = std::max<int64_t>(1, kMinElements / (kChannels * b.num_tokens));
  pool.ParallelFor(blocks, grain, [&](int64_t begin, int64_t end, int) {
    const int64_t first = begin * kChannels, last = std::min(channels, end * kChannels);
    for (int32_t s = 0; s < b.num_sequences; ++s) {
      HWY_DYNAMIC_DISPATCH(ConvChannels)(b, args, s, first, last - first);
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
