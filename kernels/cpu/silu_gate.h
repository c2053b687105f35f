// out = silu(gate) · x, element by element, fp32: the gate of a gated memory unit (arXiv 2507.06607, §2), and SwiGLU
// (arXiv 2002.05202), whose gate and x are the halves of one product.
#pragma once

#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

// gate, x and out [rows, cols]; out may be either. Floor: one pass over the three.
void SiluGate(const Tensor& gate, const Tensor& x, const Tensor& out, ThreadPool& pool);

}  // namespace batucada
