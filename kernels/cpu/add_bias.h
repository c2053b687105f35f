// x += bias, row by row, fp32: the bias of a linear layer, after its product.
#pragma once

#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

// x [rows, cols], bias [cols]. Floor: one pass over x.
void AddBias(const Tensor& x, const float* bias, ThreadPool& pool);

}  // namespace batucada
