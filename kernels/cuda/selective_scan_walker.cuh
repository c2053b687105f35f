// Walkers of the scan of prompts: they run the recurrence, h = exp(δ·A)·h + δ·B·x, y = C·h.
#pragma once

#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/selective_scan_tiles.cuh"

namespace batucada::cuda::scan {

enum class Pass { kWhole, kSummary, kFinal };

// A walker lane: two states of a channel, of two tokens at a time. Its warp has eight channels and eight states; of
// lane 4g + q the states 2q and 2q + 1 of channel g, as the products of tensor cores take and leave them (see Mma),
// whose rows are the first token's eight channels and then the second's.
template <int kChannels, Pass kPass>
struct Walker {
  static constexpr int kPitch = sizeof(SharedTiles<kChannels>{}.y[0][0]) / sizeof(float);
  static constexpr int kGroup = 8;  // tokens whose outputs are added up at once

  int g;       // lane / 4
  int q;       // lane % 4
  int half;    // which eight of the states
  int column;  // channel within the block
  float a[2];  // of h, times log2(e)
  float h[2] = {};
  float sum_delta = 0.f;
  uint32_t even_q, odd_q;  // masks

  __device__ __forceinline__ explicit Walker(int thread)
      : g(thread / 4 % 8), q(thread % 4), half(thread / 32 % 2), column(thread / 64 * kPart + g),
        even_q(q % 2 == 0 ? 0xffffffffu : 0u), odd_q(~even_q) {}

  // What a pair of tokens does to h, one after the other: h = decay · h + add.
  struct Change {
    float decay[4], add[4];
  };
  __device__ __forceinline__ Change ChangeOf(const uint4& d, uint32_t b) {
    Change change;
    MmaShort(change.add, d.x & even_q, d.y & odd_q, b);
    const float first = __uint_as_float(d.z), second = __uint_as_float(d.w);
    change.decay[0] = Exp2(first * a[0]);
    change.decay[1] = Exp2(first * a[1]);
    change.decay[2] = Exp2(second * a[0]);
    change.decay[3] = Exp2(second * a[1]);
    if constexpr (kPass == Pass::kSummary) sum_delta += first + second;
    return change;
  }

  // All of a cut's tiles. With two walkers a scheduler there is hardly anybody to hide latencies behind, so a walker
  // works ahead: it knows what the next pair of tokens changes and has read the four behind that. Where this takes it
  // into the next tile, it meets the helpers.
  __device__ __forceinline__ void Walk(SharedTiles<kChannels>& s, int tiles) {
    constexpr int kPairsOfGroup = kGroup / 2;
    // A group's eight outputs of a channel are the columns of one product: a pair's C is masked out of the others'.
    uint32_t mask[kPairsOfGroup];
#pragma unroll
    for (int i = 0; i < kPairsOfGroup; ++i) mask[i] = g / 2 == i ? 0xffffffffu : 0u;
    const uint4* const of_d = &s.delta[0][PlaceOf(column)];
    const uint4* const of_b = &s.b[0][half * kPart + g][q % 2];
    const uint32_t* const of_c = reinterpret_cast<const uint32_t*>(&s.c[half][g]) + q;
    float* const of_y = &s.y[half][2 * q][column];
    const auto of = [](const uint4& four, int i) {
      return i == 0 ? four.x : i == 1 ? four.y : i == 2 ? four.z : four.w;
    };

    MeetAtTile<Threads<kChannels>::kAll>();
    uint4 d[kPairsOfGroup];  // of the pairs from the next one on, by their place in a group
#pragma unroll
    for (int i = 0; i < kPairsOfGroup; ++i) d[i] = of_d[i * kChannels];
    uint4 b = of_b[0];
    uint32_t c = of_c[0];
    Change change = ChangeOf(d[0], b.x);
    d[0] = of_d[kPairsOfGroup * kChannels];

    // Groups that the compiler arranges together: at their end exponentials crowd, since nothing waits for them there.
    constexpr int kBody = 4;
    constexpr int kBodies = kTile / kGroup / kBody;
    static_assert(kBodies == 2 && kTile / kGroup % kBody == 0);
    uint32_t first = 0;  // token in the two buffers
    int behind = 0;      // token in the buffers of outputs
    for (int left = tiles * kBodies; left > 0; --left) {
#pragma unroll
      for (int group = 0; group < kBody; ++group) {
        float y[4] = {};
        const uint32_t c0 = c << 16, c1 = c & 0xffff0000u;
        const uint32_t next = (first + (group + 1) * kGroup) % (2 * kTile);
        const uint32_t after = (first + (group + 2) * kGroup) % (2 * kTile);
        c = of_c[next * 4];
#pragma unroll
        for (int i = 0; i < kPairsOfGroup; ++i) {
          const int soon = (i + 1) % kPairsOfGroup;
          const bool last = soon == 0;
          // From here on the next tile is read, and nothing of this one.
          if (last && group == kBody - 2 && left % kBodies == 1) MeetAtTile<Threads<kChannels>::kAll>();
          float before[2];
#pragma unroll
          for (int n = 0; n < 2; ++n) {
            before[n] = change.decay[n] * h[n] + change.add[n];
            h[n] = change.decay[n + 2] * before[n] + change.add[n + 2];
          }
          change = ChangeOf(d[soon], of(b, soon));
          d[soon] = of_d[((last ? after : next) / 2 + soon) * kChannels];
          if (i == kPairsOfGroup - 2) b = of_b[next / 8 * (2 * kStates)];
          if constexpr (kPass != Pass::kSummary) {
            const uint32_t m = mask[i];
            MmaTf32(
                y,
                {__float_as_uint(before[0]), __float_as_uint(h[0]), __float_as_uint(before[1]), __float_as_uint(h[1])},
                c0 & m, c1 & m);
          }
        }
        if constexpr (kPass != Pass::kSummary) {
          float* const to = of_y + (behind + group * kGroup) * kPitch;
          to[0] = y[0];
          to[kPitch] = y[3];
        }
      }
      first = (first + kBody * kGroup) % (2 * kTile);
      behind = behind + kBody * kGroup == kYTiles * kTile ? 0 : behind + kBody * kGroup;
    }
    if constexpr (kPass != Pass::kSummary) MeetAtTile<Threads<kChannels>::kAll>();
  }
};

}  // namespace batucada::cuda::scan
