#include "kernels/cpu/diff_combine.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/diff_combine.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

void CombinePair(const float* first, const float* second, float lambda, const float* weight, float eps, int64_t n,
                 float* out) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto squares = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto o = hn::NegMulAdd(hn::Set(d, lambda), hn::LoadU(d, second + i), hn::LoadU(d, first + i));
    hn::StoreU(o, d, out + i);
    squares = hn::MulAdd(o, o, squares);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, squares));
  for (; i < n; ++i) {
    out[i] = first[i] - lambda * second[i];
    sum += out[i] * out[i];
  }
  const float scale = 1 / std::sqrt(sum / static_cast<float>(n) + eps);
  ForEachVector(n, [&](auto tag, int64_t at) HWY_ATTR {
    const auto normed = hn::Mul(hn::LoadU(tag, out + at), hn::Set(tag, scale));
    hn::StoreU(hn::Mul(normed, hn::LoadU(tag, weight + at)), tag, out + at);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(CombinePair);
constexpr int64_t kMinElements = 8 << 10;  // per thread
}  // namespace

void DiffCombine(const Tensor& streams, int32_t group, int32_t width, float lambda, const float* weight, float eps,
                 const Tensor& out, ThreadPool& pool) {
  const int64_t pairs = out.cols / width;
  pool.ParallelFor(out.rows, Grain::Of(kMinElements, streams.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = streams.As<float>() + r * streams.stride;
      for (int64_t pair = 0; pair < pairs; ++pair) {
        const float* first = row + (pair / group * 2 * group + pair % group) * width;
        HWY_DYNAMIC_DISPATCH(CombinePair)
        (first, first + int64_t{group} * width, lambda, weight, eps, width,
         out.As<float>() + r * out.stride + pair * width);
      }
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
