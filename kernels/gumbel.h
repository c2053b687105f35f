// The random numbers of sampling: one Gumbel variate per (seed, position, id), the same on every device.
//
// Gumbel-max: argmax over ids of logit / temperature + Gumbel(seed, position, id) is a draw from the softmax. Because
// the number is a function of its names and no generator has a state, a draw depends on nothing but its own row: not on
// the batch, the step, the thread, or the device (up to the last bit of log).
//
// Generator: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). One call yields
// the words of four consecutive ids: counter = {id / 4, position, 0, 0}, key = {low seed, high seed}, word = id % 4.
#pragma once

#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#define BATUCADA_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define BATUCADA_HOST_DEVICE inline
#endif

namespace batucada {

struct PhiloxWords {
  uint32_t word[4];
};

// One block of four words. Matches the published known answers.
BATUCADA_HOST_DEVICE PhiloxWords Philox4x32(PhiloxWords counter, uint64_t key) {
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0, static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1, static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// The four words of ids 4·group … 4·group + 3.
BATUCADA_HOST_DEVICE PhiloxWords GumbelWords(uint64_t seed, int32_t position, uint32_t group) {
  return Philox4x32({{group, static_cast<uint32_t>(position), 0, 0}}, seed);
}

// A standard Gumbel variate, -log(-log(1 - v)), from one random word. v = (bits + ½) / 2^32 is rounded to fp32, which
// is fine-grained near 0, where the large variates that win come from.
BATUCADA_HOST_DEVICE float GumbelFromBits(uint32_t bits) {
  const float v = fmaf(static_cast<float>(bits), 0x1p-32f, 0x1p-33f);
  const float below_one = v < 0x1.fffffep-1f ? v : 0x1.fffffep-1f;
  return -logf(-log1pf(-below_one));
}

BATUCADA_HOST_DEVICE float Gumbel(uint64_t seed, int32_t position, int32_t id) {
  const uint32_t u = static_cast<uint32_t>(id);
  return GumbelFromBits(GumbelWords(seed, position, u / 4).word[u % 4]);
}

}  // namespace batucada
