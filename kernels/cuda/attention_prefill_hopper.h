// AttentionPrefill for Hopper, in the manner of FlashAttention-3 (arXiv 2407.08608). One warp copies queries, keys and
// values through rings in shared memory by TMA, from blocks and from qkv alike; two or three warpgroups
// of 64 queries each multiply. The softmax of one tile runs while the products of its neighbours do: those of the same
// warpgroup (scores of the next tile and values of the last are in flight together) and those of the others. Same
// arguments and results.
#pragma once

#include "kernels/cuda/attention_prefill.h"

namespace batucada::cuda {

// REQUIRES: target.hopper, and max_chunk > 0.
cudaError_t AttentionPrefillHopper(const AttentionPrefillParams& params, const Target& target);

}  // namespace batucada::cuda
