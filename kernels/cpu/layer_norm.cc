#include "kernels/cpu/layer_norm.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/layer_norm.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

// The sum of f(x[i]) over a row, in one order whatever the batch.
template <class F>
HWY_INLINE float SumOf(const float* x, int64_t n, const F& f) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) sums = hn::Add(sums, f(d, hn::LoadU(d, x + i)));
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < n; ++i) sum += hn::GetLane(f(d1, hn::LoadU(d1, x + i)));
  return sum;
}

void LayerNormRow(const float* x, const float* weight, const float* bias, float eps, int64_t n, float* out) {
  const float count = static_cast<float>(n);
  const float mean = SumOf(x, n, [](auto, auto v) HWY_ATTR { return v; }) / count;
  const float variance = SumOf(x, n,
                               [mean](auto d, auto v) HWY_ATTR {
                                 const auto centred = hn::Sub(v, hn::Set(d, mean));
                                 return hn::Mul(centred, centred);
                               }) /
                         count;
  const float scale = 1 / std::sqrt(variance + eps);
  ForEachVector(n, [&](auto d, int64_t i) HWY_ATTR {
    const auto normed = hn::Mul(hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean)), hn::Set(d, scale));
    hn::StoreU(hn::MulAdd(normed, hn::LoadU(d, weight + i), hn::LoadU(d, bias + i)), d, out + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(LayerNormRow);
constexpr int64_t kMinElements = 16 << 10;  // per thread
}  // namespace

void LayerNorm(const Tensor& x, const float* weight, const float* bias, float eps, const Tensor& out,
               ThreadPool& pool) {
  pool.ParallelFor(x.rows, Grain::Of(kMinElements, x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      HWY_DYNAMIC_DISPATCH(LayerNormRow)
      (x.As<float>() + r * x.stride, weight, bias, eps, x.cols, out.As<float>() + r * out.stride);
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
