#include "kernels/cpu/add_bias.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/add_bias.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

void AddBiasRow(float* x, const float* bias, int64_t n) {
  ForEachVector(n, [&](auto d, int64_t i)
                       HWY_ATTR { hn::StoreU(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, bias + i)), d, x + i); });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(AddBiasRow);
constexpr int64_t kMinElements = 16 << 10;  // per thread
}  // namespace

void AddBias(const Tensor& x, const float* bias, ThreadPool& pool) {
  pool.ParallelFor(x.rows, Grain::Of(kMinElements, x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) HWY_DYNAMIC_DISPATCH(AddBiasRow)(x.As<float>() + r * x.stride, bias, x.cols);
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
