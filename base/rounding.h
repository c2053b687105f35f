// Division that rounds up, and sizes rounded up to multiples: of what is not negative. For kernels, too.
#pragma once

#if defined(__CUDACC__)
#define BATUCADA_ROUNDING __host__ __device__ constexpr
#else
#define BATUCADA_ROUNDING constexpr
#endif

namespace batucada {

// ⌈n / d⌉. REQUIRES: n >= 0, d > 0, and n + d - 1 fits N.
template <typename N, typename D>
BATUCADA_ROUNDING N CeilDiv(N n, D d) {
  return (n + static_cast<N>(d) - 1) / static_cast<N>(d);
}

// The smallest multiple that is not below n. REQUIRES: as CeilDiv.
template <typename N, typename D>
BATUCADA_ROUNDING N RoundUp(N n, D multiple) {
  return CeilDiv(n, multiple) * static_cast<N>(multiple);
}

}  // namespace batucada

#undef BATUCADA_ROUNDING
