// Selective scan with its gate (Mamba, arXiv 2312.00752, eq. 2-4), per channel e over tokens t:
//   δ = softplus(dt + dt_bias),  h = exp(δ·A) h + δ·x·B,  out = (C·h + D·x) · silu(z)
#pragma once

#include "kernels/batch_view.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"

namespace batucada {

// All sequences of a batch, chunks of any length. h comes from the sequence's slot (zero if it starts at 0) and goes
// back to it after the last row. Tokens are taken one after the other, so results do not depend on how a sequence is
// cut into chunks. REQUIRES: d_state is a multiple of 16.
//
// Floor: E·N exponentials per token (about 10 cycles per 16 with AVX-512); for single tokens, reading and writing h.
void SelectiveScan(const BatchView& b, const ScanArgs& args, ThreadPool& pool);

}  // namespace batucada
