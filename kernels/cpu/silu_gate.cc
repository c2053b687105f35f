#include "kernels/cpu/silu_gate.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/silu_gate.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

void SiluGateRow(const float* gate, const float* x, int64_t n, float* out) {
  ForEachVector(n, [&](auto d, int64_t i) HWY_ATTR {
    hn::StoreU(hn::Mul(Silu(d, hn::LoadU(d, gate + i)), hn::LoadU(d, x + i)), d, out + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(SiluGateRow);
constexpr int64_t kMinElements = 8 << 10;  // per thread
}  // namespace

void SiluGate(const Tensor& gate, const Tensor& x, const Tensor& out, ThreadPool& pool) {
  pool.ParallelFor(out.rows, Grain::Of(kMinElements, out.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      HWY_DYNAMIC_DISPATCH(SiluGateRow)
      (gate.As<float>() + r * gate.stride, x.As<float>() + r * x.stride, out.cols, out.As<float>() + r * out.stride);
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
