#include "kernels/cpu/rms_norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rms_norm.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

float SumOfSquares(const float* x, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    sums = hn::MulAdd(v, v, sums);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

void RmsNormRow(const float* x, const float* weight, float eps, int64_t n, float* out) {
  const float scale = 1 / std::sqrt(SumOfSquares(x, n) / static_cast<float>(n) + eps);
  ForEachVector(n, [&](auto d, int64_t i) HWY_ATTR {
    const auto normed = hn::Mul(hn::LoadU(d, x + i), hn::Set(d, scale));
    hn::StoreU(hn::Mul(normed, hn::LoadU(d, weight + i)), d, out + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(RmsNormRow);
constexpr int64_t kMinElements = 16 << 10;  // per thread
}  // namespace

void RmsNorm(const Tensor& x, const float* weight, float eps, const Tensor& out, ThreadPool& pool) {
  pool.ParallelFor(x.rows, Grain::Of(kMinElements, x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      HWY_DYNAMIC_DISPATCH(RmsNormRow)
      (x.As<float>() + r * x.stride, weight, eps, x.cols, out.As<float>() + r * out.stride);
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
