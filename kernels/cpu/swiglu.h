// out = silu(gate) · up (arXiv 2002.05202), fp32.
#pragma once

#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

// gate_up [rows, 2m]: gate in the first m columns, up in the rest; out [rows, m], not overlapping gate_up.
// Floor: one pass over both.
void SwiGlu(const Tensor& gate_up, const Tensor& out, ThreadPool& pool);

}  // namespace batucada
