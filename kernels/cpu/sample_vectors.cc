#include "kernels/cpu/sample_vectors.h"

#include <cmath>
#include <limits>

#include "kernels/gumbel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/sample_vectors.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

int32_t CleanLogitsImpl(const float* logits, int32_t n, float* out) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float max = -kInfinity;
  ForEachVector(n, [&](auto d, int64_t i) HWY_ATTR {
    auto v = hn::LoadU(d, logits + i);
    v = hn::IfThenElse(hn::IsNaN(v), hn::Set(d, -kInfinity), v);
    v = hn::Min(v, hn::Set(d, std::numeric_limits<float>::max()));
    hn::StoreU(v, d, out + i);
    // Almost no vector holds a new maximum.
    if (HWY_UNLIKELY(!hn::AllFalse(d, hn::Gt(v, hn::Set(d, max))))) max = hn::GetLane(hn::MaxOfLanes(d, v));
  });
  int32_t first = 0;
  while (first < n && out[first] != max) ++first;
  return first < n ? first : 0;
}

double SumOfExponentialsImpl(const float* logits, int64_t n, float max, float inverse_temperature) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto term = [&](auto tag, int64_t i) HWY_ATTR {
    const auto shifted = hn::Sub(hn::LoadU(tag, logits + i), hn::Set(tag, max));
    return Exponential(tag, hn::Mul(shifted, hn::Set(tag, inverse_temperature)));
  };
  auto sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) sums = hn::Add(sums, term(d, i));
  double sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < n; ++i) sum += hn::GetLane(term(hn::CappedTag<float, 1>(), i));
  return sum;
}

int32_t CountAheadImpl(const float* logits, int32_t n, float logit, int32_t id) {
  size_t count = 0;
  ForEachVector(n, [&](auto d, int64_t i) HWY_ATTR {
    count += hn::CountTrue(d, hn::Gt(hn::LoadU(d, logits + i), hn::Set(d, logit)));
  });
  ForEachVector(id, [&](auto d, int64_t i) HWY_ATTR {
    count += hn::CountTrue(d, hn::Eq(hn::LoadU(d, logits + i), hn::Set(d, logit)));
  });
  return static_cast<int32_t>(count);
}

// High and low words of a · multiplier, lane by lane.
template <class DU, class VU = hn::Vec<DU>>
HWY_INLINE void MultiplyWide(DU d, VU a, uint32_t multiplier, VU& high, VU& low) {
  const hn::Repartition<uint64_t, DU> d64;
  const VU m = hn::Set(d, multiplier);
  const auto even = hn::MulEven(a, m);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, a))), m);
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
}

// The random word of each id, as GumbelWords(seed, position, id / 4).word[id % 4].
template <class DU, class VU = hn::Vec<DU>>
HWY_INLINE VU RandomWords(DU d, VU id, uint64_t seed, int32_t position) {
  VU c0 = hn::ShiftRight<2>(id), c1 = hn::Set(d, static_cast<uint32_t>(position)), c2 = hn::Zero(d), c3 = hn::Zero(d);
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    VU high0, low0, high1, low1;
    MultiplyWide(d, c0, 0xD2511F53u, high0, low0);
    MultiplyWide(d, c2, 0xCD9E8D57u, high1, low1);
    c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, key0));
    c1 = low1;
    c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, key1));
    c3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  const VU word = hn::And(id, hn::Set(d, 3u));
  const VU low_pair = hn::IfThenElse(hn::Eq(word, hn::Zero(d)), c0, c1);
  const VU high_pair = hn::IfThenElse(hn::Eq(word, hn::Set(d, 2u)), c2, c3);
  return hn::IfThenElse(hn::Lt(word, hn::Set(d, 2u)), low_pair, high_pair);
}

void GumbelScoresImpl(const float* logits, const int32_t* ids, int64_t n, float max, float inverse_temperature,
                      uint64_t seed, int32_t position, float* scores) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::RebindToSigned<decltype(d)> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto id = hn::LoadU(di, ids + i);
    const auto bits = RandomWords(du, hn::BitCast(du, id), seed, position);
    // fp32 from all 32 bits, in halves of 16, which are exact; the sum rounds once, as a conversion would.
    const auto high = hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<16>(bits)));
    const auto low = hn::ConvertTo(d, hn::BitCast(di, hn::And(bits, hn::Set(du, 0xffffu))));
    const auto whole = hn::MulAdd(high, hn::Set(d, 65536.0f), low);
    auto v = hn::MulAdd(whole, hn::Set(d, 0x1p-32f), hn::Set(d, 0x1p-33f));
    v = hn::Min(v, hn::Set(d, 0x1.fffffep-1f));
    const auto gumbel = hn::Neg(hn::Log(d, hn::Neg(hn::Log1p(d, hn::Neg(v)))));
    const auto below_max = hn::Sub(hn::GatherIndex(d, logits, id), hn::Set(d, max));
    hn::StoreU(hn::MulAdd(below_max, hn::Set(d, inverse_temperature), gumbel), d, scores + i);
  }
  for (; i < n; ++i) {
    scores[i] = std::fma(logits[ids[i]] - max, inverse_temperature, Gumbel(seed, position, ids[i]));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(CleanLogitsImpl);
HWY_EXPORT(SumOfExponentialsImpl);
HWY_EXPORT(CountAheadImpl);
HWY_EXPORT(GumbelScoresImpl);
}  // namespace

int32_t CleanLogits(const float* logits, int32_t n, float* out) {
  return HWY_DYNAMIC_DISPATCH(CleanLogitsImpl)(logits, n, out);
}
double SumOfExponentials(const float* logits, int64_t n, float max, float inverse_temperature) {
  return HWY_DYNAMIC_DISPATCH(SumOfExponentialsImpl)(logits, n, max, inverse_temperature);
}
int32_t CountAhead(const float* logits, int32_t n, float logit, int32_t id) {
  return HWY_DYNAMIC_DISPATCH(CountAheadImpl)(logits, n, logit, id);
}
void GumbelScores(const float* logits, const int32_t* ids, int64_t n, float max, float inverse_temperature,
                  uint64_t seed, int32_t position, float* scores) {
  HWY_DYNAMIC_DISPATCH(GumbelScoresImpl)(logits, ids, n, max, inverse_temperature, seed, position, scores);
}

}  // namespace batucada
#endif  // HWY_ONCE
