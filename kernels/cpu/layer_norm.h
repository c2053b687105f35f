// LayerNorm (arXiv 1607.06450), row by row, fp32: out = (x - mean) / sqrt(var + eps) · weight + bias, var with 1/cols.
#pragma once

#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

// x and out [rows, cols], weight and bias [cols]. out may be x. The mean is taken off before squares are summed, so
// that a mean far from zero costs no digits. Floor: one pass over x and out.
void LayerNorm(const Tensor& x, const float* weight, const float* bias, float eps, const Tensor& out, ThreadPool& pool);

}  // namespace batucada
