#include "kernels/cpu/sample_vectors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rounding.h"
#include "kernels/gumbel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/sample_vectors.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using D = hn::CappedTag<float, kLogitPadding / 4>;
using V = hn::Vec<D>;
constexpr int32_t kLanes = hn::MaxLanes(D());

int32_t CleanLogitsImpl(const float* logits, int32_t vocab, LogitRow& row) {
  row.vocab = vocab;
  row.values.resize(static_cast<size_t>(RoundUp(vocab, kLogitPadding)));
  float* out = row.values.data();
  float max = -kInfinity;
  ForEachVector(vocab, [&](auto d, int64_t i) HWY_ATTR {
    auto v = hn::LoadU(d, logits + i);
    v = hn::IfThenElse(hn::IsNaN(v), hn::Set(d, -kInfinity), v);
    v = hn::Min(v, hn::Set(d, std::numeric_limits<float>::max()));
    hn::StoreU(v, d, out + i);
    // Almost no vector holds a new maximum.
    if (HWY_UNLIKELY(!hn::AllFalse(d, hn::Gt(v, hn::Set(d, max))))) max = hn::GetLane(hn::MaxOfLanes(d, v));
  });
  std::fill(row.values.begin() + vocab, row.values.end(), -kInfinity);
  if (max == -kInfinity) return -1;
  const bool may_be_infinite = max == std::numeric_limits<float>::max();
  if (may_be_infinite && std::none_of(logits, logits + vocab, [](float l) { return std::isfinite(l); })) return -1;
  const auto first = std::find(row.values.begin(), row.values.begin() + vocab, max);
  return static_cast<int32_t>(first - row.values.begin());
}

double SumOfExponentialsImpl(const float* logits, int64_t n, float max, float inverse_temperature) {
  const D d;
  const auto term = [&](auto tag, int64_t i) HWY_ATTR {
    const auto shifted = hn::Sub(hn::LoadU(tag, logits + i), hn::Set(tag, max));
    return Exponential(tag, hn::Mul(shifted, hn::Set(tag, inverse_temperature)));
  };
  V sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sums = hn::Add(sums, term(d, i));
  double sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < n; ++i) sum += hn::GetLane(term(hn::CappedTag<float, 1>(), i));
  return sum;
}

int32_t CountAheadImpl(const LogitRow& row, int32_t id) {
  const D d;
  const V logit = hn::Set(d, row[id]);
  size_t count = 0;
  for (size_t i = 0; i < row.values.size(); i += kLanes) {
    count += hn::CountTrue(d, hn::Gt(hn::LoadU(d, row.values.data() + i), logit));
  }
  return static_cast<int32_t>(count +
                              static_cast<size_t>(std::count(row.values.begin(), row.values.begin() + id, row[id])));
}

void CollectAtLeastImpl(const LogitRow& row, float threshold, std::vector<float>& out) {
  const D d;
  out.resize(row.values.size() + kLanes);  // CompressStore may write a whole vector
  size_t count = 0;
  for (size_t i = 0; i < row.values.size(); i += kLanes) {
    const V logits = hn::LoadU(d, row.values.data() + i);
    count += hn::CompressStore(logits, hn::Ge(logits, hn::Set(d, threshold)), d, out.data() + count);
  }
  out.resize(count);
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

// Philox4x32-10 of gumbel.h, lane by lane: the random words of ids 4 · group … 4 · group + 3 for a vector of groups, to
// `words` in the order of ids.
template <class DU, class VU = hn::Vec<DU>>
HWY_INLINE void RandomWords(DU d, uint32_t first_group, uint64_t seed, int32_t position, uint32_t* words) {
  VU c0 = hn::Iota(d, first_group), c1 = hn::Set(d, static_cast<uint32_t>(position)), c2 = hn::Zero(d),
     c3 = hn::Zero(d);
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
  hn::StoreInterleaved4(c0, c1, c2, c3, d, words);
}

int32_t GumbelArgmaxImpl(const LogitRow& row, float threshold, float max, float inverse_temperature, uint64_t seed,
                         int32_t position) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  int32_t winner = -1;
  float best = -kInfinity;
  HWY_ALIGN uint32_t words[4 * kLanes];
  for (int32_t first = 0; first < static_cast<int32_t>(row.values.size()); first += 4 * kLanes) {
    const float* logits = row.values.data() + first;
    auto any_kept = hn::Ge(hn::LoadU(d, logits), hn::Set(d, threshold));
    for (int32_t i = kLanes; i < 4 * kLanes; i += kLanes) {
      any_kept = hn::Or(any_kept, hn::Ge(hn::LoadU(d, logits + i), hn::Set(d, threshold)));
    }
    if (hn::AllFalse(d, any_kept)) continue;
    RandomWords(du, static_cast<uint32_t>(first / 4), seed, position, words);
    for (int32_t i = 0; i < 4 * kLanes; i += kLanes) {
      // With v uniform, the variate -log(-log(1 - v)) is at most -log v, so id can win only if v < exp(score - best).
      // That needs no logarithm, and hardly any id passes. A little slack covers the rounding of the exponential.
      const V logit = hn::LoadU(d, logits + i);
      const V scaled = hn::Mul(hn::Sub(logit, hn::Set(d, max)), hn::Set(d, inverse_temperature));
      const V bound = Exponential(d, hn::Add(hn::Sub(scaled, hn::Set(d, best)), hn::Set(d, 1e-3f)));
      const auto bits = hn::Load(du, words + i);
      // v only has to be right to 2^-16 here; signed conversion of the upper bits is the one every target has.
      const V v = hn::Mul(hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<8>(bits))), hn::Set(d, 0x1p-24f));
      const auto may_win = hn::And(hn::Ge(logit, hn::Set(d, threshold)), hn::Lt(v, bound));
      if (HWY_LIKELY(hn::AllFalse(d, may_win))) continue;
      for (int32_t lane = i; lane < i + kLanes; ++lane) {
        if (!(logits[lane] >= threshold)) continue;
        const float score = (logits[lane] - max) * inverse_temperature + GumbelFromBits(words[lane]);
        if (score > best) {
          best = score;
          winner = first + lane;
        }
      }
    }
  }
  return winner;
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
HWY_EXPORT(CollectAtLeastImpl);
HWY_EXPORT(GumbelArgmaxImpl);
}  // namespace

int32_t CleanLogits(const float* logits, int32_t vocab, LogitRow& row) {
  return HWY_DYNAMIC_DISPATCH(CleanLogitsImpl)(logits, vocab, row);
}
double SumOfExponentials(const float* logits, int64_t n, float max, float inverse_temperature) {
  return HWY_DYNAMIC_DISPATCH(SumOfExponentialsImpl)(logits, n, max, inverse_temperature);
}
int32_t CountAhead(const LogitRow& row, int32_t id) { return HWY_DYNAMIC_DISPATCH(CountAheadImpl)(row, id); }
void CollectAtLeast(const LogitRow& row, float threshold, std::vector<float>& out) {
  HWY_DYNAMIC_DISPATCH(CollectAtLeastImpl)(row, threshold, out);
}
int32_t GumbelArgmax(const LogitRow& row, float threshold, float max, float inverse_temperature, uint64_t seed,
                     int32_t position) {
  return HWY_DYNAMIC_DISPATCH(GumbelArgmaxImpl)(row, threshold, max, inverse_temperature, seed, position);
}

}  // namespace batucada
#endif  // HWY_ONCE
