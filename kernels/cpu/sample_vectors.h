// The passes of sampling that touch a whole row of logits.
#pragma once

#include <cstdint>

namespace batucada {

// out = logits with NaN as -infinity and +infinity as the largest finite number. Returns the id of the maximum, the
// smallest if several, and 0 if there is nothing finite.
int32_t CleanLogits(const float* logits, int32_t n, float* out);

// Σ exp((logits - max) · inverse_temperature).
double SumOfExponentials(const float* logits, int64_t n, float max, float inverse_temperature);

// How many logits are larger than `logit`, and how many of ids < `id` equal it: id's place in the ranking, less one.
int32_t CountAhead(const float* logits, int32_t n, float logit, int32_t id);

// scores[i] = (logits[ids[i]] - max) · inverse_temperature + Gumbel(seed, position, ids[i]), in the arithmetic of gumbel.h
// (the logarithm may differ in its last bit).
void GumbelScores(const float* logits, const int32_t* ids, int64_t n, float max, float inverse_temperature,
                  uint64_t seed, int32_t position, float* scores);

}  // namespace batucada
