// How a row of logits becomes a token, as every backend reads and writes it: plain data, copied to and from the device
// as it is.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/token_controls.h"

namespace batucada {

// How one row of logits becomes a token. Controls come first, then temperature, top_k, top_p, min_p. POD: copied to the
// device as it is.
struct RowSampling {
  float temperature = 1;   // below kGreedyTemperature: the most likely token
  float top_p = 1;         // [0, 1]
  float min_p = 0;         // [0, 1]
  int32_t top_k = 0;       // 0: all
  uint64_t seed = 0;       // with `position`, names the random number: the same pair draws the same token anywhere
  int32_t position = 0;    // absolute position of the token being drawn
  int32_t target = -1;     // prompt scoring: report this id's log-probability and draw nothing; -1: draw
  int32_t num_top = 0;     // how many of the most likely ids to report, <= kMaxTop
  int32_t slot = 0;        // where last_token is written when a token is drawn
  ControlRequest control;  // of rows that draw
};
inline constexpr int kMaxTop = 20;
// Colder than this, differences between fp32 logits are worth more than any Gumbel variate.
inline constexpr float kGreedyTemperature = 1e-5f;

// What Sample reports for a row. Log-probabilities are of the model's distribution, before temperature and filters.
struct RowSample {
  int32_t token = 0;         // drawn id, or the target; -1: no logit is finite, or the controls leave none
  float logprob = 0;         // of `token`
  int32_t rank = 0;          // of `token`, 1 = most likely
  int32_t top_ids[kMaxTop];  // first num_top valid, most likely first, ties by smaller id
  float top_logprobs[kMaxTop];
};

// Copied as bytes, and read by code of two compilers.
static_assert(std::is_trivially_copyable_v<RowSampling> && std::is_standard_layout_v<RowSampling>);
static_assert(std::is_trivially_copyable_v<RowSample> && std::is_standard_layout_v<RowSample>);

}  // namespace batucada
