// From rows of logits to tokens, on the device: greedy, temperature, top-k, top-p and min-p, log-probability and rank
// of the token, and the most likely ids. Drawing is Gumbel-max over the kept ids (kernels/gumbel.h).
//   logits [rows, stride] fp32, of which the first `vocab` columns are ids
// One block per row, or of a few rows that are drawn from all ids a cluster of up to eight. Filters become one
// threshold on the logit: a histogram of the distance from the maximum finds the bin in which the threshold lies, and
// only that bin's few values are ranked; nothing is sorted. Masses are in fixed point, so that what is drawn depends on
// nothing but the row. Ids that tie with the last one kept are kept. NaN counts as -infinity and +infinity as the
// largest finite number; a row without a finite logit, and one whose controls leave none, report the token -1. Floor: 4
// bytes per logit over the copy bandwidth for greedy rows; later passes come from the caches. Measured on an H200 with
// 50,304 ids, a block a row: greedy 9 µs up to 132 rows, 56% of the floor at 256; at 64 rows temperature 30 µs, top-k
// 36, top-p 98.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"
#include "kernels/sampling.h"

namespace batucada::cuda {

struct SampleParams {
  const float* logits;
  int64_t stride;
  int32_t rows;
  int32_t vocab;
  const RowSampling* requests;  // [rows]
  ControlView controls;         // of sequences that are controlled
  RowSample* results;           // [rows]
  int32_t* last_token;          // [num_slots]: written at the slot of rows that draw
};

cudaError_t Sample(const SampleParams& params, const Target& target);

}  // namespace batucada::cuda
