// out = x / sqrt(mean(x²) + eps) · weight (arXiv 1910.07467), row by row, fp32.
#pragma once

#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

// x and out [rows, cols], weight [cols]. out may be x. Floor: one pass over x and out.
void RmsNorm(const Tensor& x, const float* weight, float eps, const Tensor& out, ThreadPool& pool);

}  // namespace batucada
