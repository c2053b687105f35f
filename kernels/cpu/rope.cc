#include "kernels/cpu/rope.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rope.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

void RotateHead(float* x, const float* cosines, int64_t half) {
  const float* sines = cosines + half;
  ForEachVector(half, [&](auto d, int64_t i) HWY_ATTR {
    const auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + half + i);
    const auto cosine = hn::LoadU(d, cosines + i), sine = hn::LoadU(d, sines + i);
    hn::StoreU(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), d, x + i);
    hn::StoreU(hn::MulAdd(a, sine, hn::Mul(b, cosine)), d, x + half + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(RotateHead);
constexpr int64_t kMinAngles = 512;         // per thread; a sine and cosine cost some tens of nanoseconds
constexpr int64_t kMinElements = 16 << 10;  // per thread
}  // namespace

void RopeTable::Prepare(const int32_t* positions, int64_t rows, int32_t head_dim, const RopeSpec& rope,
                        ThreadPool& pool) {
  if (head_dim_ == head_dim && rope_ == rope &&
      std::equal(positions_.begin(), positions_.end(), positions, positions + rows)) {
    return;
  }
  const int64_t half = head_dim / 2;
  positions_.assign(positions, positions + rows);
  head_dim_ = head_dim;
  rope_ = rope;
  table_.resize(static_cast<size_t>(rows * head_dim));
  std::vector<float> inverse(static_cast<size_t>(half));
  for (int64_t i = 0; i < half; ++i) {
    inverse[static_cast<size_t>(i)] = RopeFrequency(rope, head_dim, static_cast<int32_t>(i));
  }
  pool.ParallelFor(rows, Grain::Of(kMinAngles, half), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = table_.data() + t * head_dim;
      for (int64_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(positions[t]) * inverse[static_cast<size_t>(i)];
        row[i] = std::cos(angle);
        row[half + i] = std::sin(angle);
      }
    }
  });
}

void Rotate(const Tensor& x, int32_t head_dim, const RopeTable& table, ThreadPool& pool) {
  pool.ParallelFor(x.rows, Grain::Of(kMinElements, x.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = x.As<float>() + t * x.stride;
      for (int64_t col = 0; col < x.cols; col += head_dim) {
        HWY_DYNAMIC_DISPATCH(RotateHead)(row + col, table.Row(t), head_dim / 2);
      }
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
