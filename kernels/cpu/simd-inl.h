// Vector helpers that several kernels share. Included once per instruction set, inside Highway's foreach_target scheme.

// NOLINTNEXTLINE: a toggling guard, because this header is compiled once per target.
#if defined(BATUCADA_KERNELS_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BATUCADA_KERNELS_CPU_SIMD_INL_H_
#undef BATUCADA_KERNELS_CPU_SIMD_INL_H_
#else
#define BATUCADA_KERNELS_CPU_SIMD_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls step(tag, i) for whole vectors i = 0, N, 2N, …, then with one-lane tags for what is left, so that a step
// neither reads nor writes past n.
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
  // Adding 1.5 · 2^23 rounds to an integer n and leaves it in the low bits; the 127 more make them an exponent field.
  const V shift = hn::Set(d, 12582912.0f + 127.0f);
  const V shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), shift);
  const V n = hn::Sub(shifted, shift);
  const hn::RebindToUnsigned<D> du;
  const V power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, shifted)));
  // r = x - n ln 2, |r| <= ln 2 / 2.
#if HWY_NATIVE_FMA
  const V r = hn::NegMulAdd(n, hn::Set(d, 0.693147181f), x);
#else  // the high part of ln 2 has few bits, so that n times it is exact
  const V r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x));
#endif
  // Minimax polynomial for e^r, 1 + r + r² (…), relative error 3e-9 before rounding.
  V p = hn::Set(d, 1.38145976e-3f);
  p = hn::MulAdd(p, r, hn::Set(d, 8.36871658e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1668389e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.166665211f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.49999994f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return hn::Mul(p, power);
}

// x · sigmoid(x) = x / (1 + e^-x).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Silu(D d, V x) {
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), Exponential(d, hn::Neg(x))));
}

// log(1 + e^x), without overflow and accurate on both sides of 0: max(x, 0) + log(1 + u), u = e^-|x|.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Softplus(D d, V x) {
  const V u = Exponential(d, hn::Neg(hn::Abs(x)));
  // log(1 + u) = 2 atanh(s), s = u / (2 + u) <= 1/3: odd, so s times a minimax polynomial in s², relative error 4e-9.
  const V s = hn::Div(u, hn::Add(u, hn::Set(d, 2.0f)));
  const V s2 = hn::Mul(s, s);
  V p = hn::Set(d, 0.140059814f);
  p = hn::MulAdd(p, s2, hn::Set(d, 0.140009061f));
  p = hn::MulAdd(p, s2, hn::Set(d, 0.200107634f));
  p = hn::MulAdd(p, s2, hn::Set(d, 0.333332092f));
  p = hn::MulAdd(p, s2, hn::Set(d, 1.0f));
  return hn::MulAdd(hn::Add(s, s), p, hn::Max(hn::Zero(d), x));
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

// {sum(a), sum(b), sum(c), sum(e)}: four horizontal sums for the price of little more than one. Every sum is taken in
// the same order, whichever of the four places it has.
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
