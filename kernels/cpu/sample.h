// From a row of logits to a token: log-probabilities, filters, a draw by Gumbel-max.
//
// Filters apply in the order temperature, top-k, top-p, min-p, as in vLLM and Hugging Face transformers: top-k keeps
// the k largest logits; top-p, of the distribution that is left, the most likely ids until their mass reaches p; min-p,
// ids at least min_p times as likely as the most likely one. Each amounts to a smallest logit that survives, so ids
// that tie with the last one kept are kept too, and a selection in linear time replaces sorting.
//
// Temperatures below 1e-5 are greedy.
//
// Bad logits: NaN counts as -infinity and +infinity as the largest finite number. A row without a finite logit, drawn
// or scored, and one whose controls leave none report the token -1, and nothing is noted. The same row always gives the
// same token; nothing else in the batch matters. Ties go to the smaller id.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/sample_vectors.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"

namespace batucada {

// Working memory of one thread, kept between calls so that it allocates only while it grows.
struct SampleScratch {
  LogitRow logits;                // of the row at hand, as the model gave them
  LogitRow controlled;            // and as the request's controls leave them
  std::vector<float> edited;      // on the way there
  std::vector<float> candidates;  // logits that may survive the filters
};

// Rows [0, logits.rows). Writes results and, for rows that draw, last_token[slot] and the control row. REQUIRES: 0
// < vocab <= logits.cols, 0 <= num_top <= min(kMaxTop, vocab), target < vocab, temperature >= 0. scratch has one entry
// per thread of the pool.
void Sample(const Tensor& logits, int32_t vocab, const RowSampling* rows, const ControlView& controls,
            RowSample* results, int32_t* last_token, std::vector<SampleScratch>& scratch, ThreadPool& pool);

}  // namespace batucada
