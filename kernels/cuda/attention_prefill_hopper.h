// AttentionPrefill for Hopper (FlashAttention-3, arXiv 2407.08608): warpgroup products, and the softmax of one tile of
// keys while the products of its neighbours run. Same arguments and results.
#pragma once

#include "kernels/cuda/attention_prefill.h"

namespace batucada::cuda {

// REQUIRES: target.hopper, and max_chunk > 0.
cudaError_t AttentionPrefillHopper(const AttentionPrefillParams& params, const Target& target);

}  // namespace batucada::cuda
