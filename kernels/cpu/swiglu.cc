#include "kernels/cpu/swiglu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/swiglu.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

void SwiGluRow(const float* gate, const float* up, int64_t n, float* out) {
  ForEachVector(n, [&](auto d, int64_t i) HWY_ATTR {
    hn::StoreU(hn::Mul(Silu(d, hn::LoadU(d, gate + i)), hn::LoadU(d, up + i)), d, out + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(SwiGluRow);
constexpr int64_t kMinElements = 8 * 1024;  // per thread
}  // namespace

void SwiGlu(const Tensor& gate_up, const Tensor& out, ThreadPool& pool) {
  pool.ParallelFor(out.rows, std::max<int64_t>(1, kMinElements / out.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* gate = gate_up.As<float>() + r * gate_up.stride;
      HWY_DYNAMIC_DISPATCH(SwiGluRow)(gate, gate + out.cols, out.cols, out.As<float>() + r * out.stride);
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
