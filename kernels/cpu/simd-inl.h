// Vector helpers that several kernels share. Included once per instruction set, inside Highway's foreach_target scheme.

// NOLINTNEXTLINE: a toggling guard, because this header is compiled once per target.
#if defined(BATUCADA_KERNELS_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BATUCADA_KERNELS_CPU_SIMD_INL_H_
#undef BATUCADA_KERNELS_CPU_SIMD_INL_H_
#else
#define BATUCADA_KERNELS_CPU_SIMD_INL_H_
#endif

#include <cstdint>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls step(tag, i) for whole vectors i = 0, N, 2N, …, then with one-lane tags for what is left, so that a step neither
// reads nor writes past n.
template <class Step>
HWY_INLINE void ForEachVector(int64_t n, const Step& step) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) step(d, i);
  for (; i < n; ++i) step(d1, i);
}

// e^x to about 1 ulp for x in [-87.3, 88.3], clamped outside. e^0 is exactly 1. NaN stays NaN: Max and Min return their
// second operand when either is NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exponential(D d, V x) {
  x = hn::Max(hn::Set(d, -87.3365447f), x);
  x = hn::Min(hn::Set(d, 88.3762626f), x);
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
  // r = x - n ln 2 in two steps, |r| <= ln 2 / 2: the high part of ln 2 has few bits, so n times it is exact.
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  // Minimax polynomial for (e^r - 1 - r) / r² (Cephes expf).
  V p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  const hn::RebindToSigned<D> di;
  const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::Mul(p, hn::BitCast(d, exponent));
}

// x · sigmoid(x) = x / (1 + e^-x).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Silu(D d, V x) {
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), Exponential(d, hn::Neg(x))));
}

// log(1 + e^x), without overflow and accurate on both sides of 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Softplus(D d, V x) {
  const V linear = hn::Max(hn::Zero(d), x);
  return hn::Add(linear, hn::Log1p(d, Exponential(d, hn::Neg(hn::Abs(x)))));
}

// Lanes 0..3 of the sum of all 128-bit blocks.
template <class D, class V = hn::Vec<D>>
HWY_INLINE hn::Vec<hn::CappedTag<float, 4>> SumOfBlocks(D d, V v) {
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    (void)d;
    return SumOfBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    return v;
  }
}

// {sum(a), sum(b), sum(c), sum(e)}: four horizontal sums for the price of little more than one. Every sum is taken in the
// same order, whichever of the four places it has.
template <class D, class V = hn::Vec<D>>
HWY_INLINE hn::Vec<hn::CappedTag<float, 4>> FourSums(D d, V a, V b, V c, V e) {
  const hn::Repartition<uint64_t, D> d64;
  const V ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const V ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const V lower = hn::BitCast(d, hn::InterleaveLower(d64, hn::BitCast(d64, ab), hn::BitCast(d64, ce)));
  const V upper = hn::BitCast(d, hn::InterleaveUpper(d64, hn::BitCast(d64, ab), hn::BitCast(d64, ce)));
  return SumOfBlocks(d, hn::Add(lower, upper));
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#endif  // BATUCADA_KERNELS_CPU_SIMD_INL_H_
