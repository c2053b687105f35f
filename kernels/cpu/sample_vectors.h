// The passes of sampling that touch a whole row of logits. Rows are `LogitRow`s: padded, so that vectors need no tails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace batucada {

// The logits of one row, cleaned: NaN became -infinity, +infinity the largest finite number, and -infinity follows up
// to a multiple of kLogitPadding.
struct LogitRow {
  std::vector<float> values;
  int32_t vocab = 0;

  float operator[](int32_t id) const { return values[static_cast<size_t>(id)]; }
};
inline constexpr int32_t kLogitPadding = 64;

// Fills `row`. Returns the id of the maximum, the smallest if several, and -1 if no logit is finite.
int32_t CleanLogits(const float* logits, int32_t vocab, LogitRow& row);

// Σ exp((logits[i] - max) · inverse_temperature), i < n.
double SumOfExponentials(const float* logits, int64_t n, float max, float inverse_temperature);

// How many logits are larger than that of `id`, and how many of smaller ids equal it: its place in the ranking, less
// one.
int32_t CountAhead(const LogitRow& row, int32_t id);

// All logits >= threshold, in the order of ids.
void CollectAtLeast(const LogitRow& row, float threshold, std::vector<float>& out);

// argmax over ids with logit >= threshold of (logit - max) · inverse_temperature + Gumbel(seed, position, id), the
// smallest id if several. -1 if there is none.
int32_t GumbelArgmax(const LogitRow& row, float threshold, float max, float inverse_temperature, uint64_t seed,
                     int32_t position);

}  // namespace batucada
