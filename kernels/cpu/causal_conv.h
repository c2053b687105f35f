// Causal depthwise convolution of width 4 with bias, then SiLU (Mamba, arXiv 2312.00752, fig. 3):
//   out[t] = silu(bias + w0·x[t-3] + w1·x[t-2] + w2·x[t-1] + w3·x[t]), per channel.
#pragma once

#include "kernels/batch_view.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"

namespace batucada {

// All sequences of a batch, chunks of any length. The three inputs before a chunk come from the sequence's slot (zeros
// if it starts at 0) and the last three inputs go back to it. Sums are taken oldest tap first, so results do not depend
// on how a sequence is cut into chunks. out must not overlap x. Floor: one pass over x and out.
void CausalConv(const BatchView& b, const ConvArgs& args, ThreadPool& pool);

}  // namespace batucada
