// The end of differential attention (arXiv 2410.05258, eq. 1-3): o = first - λ · second, then RMSNorm over a head and
// its weight.
#pragma once

#include <cstdint>

#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

// streams [rows, heads · width] fp32, heads in groups of `group`, an even number of groups: head i of groups 2p and
// 2p + 1 are the first and the second of a pair. out [rows, heads/2 · width]: pairs in the order of p, then i. weight
// [width]. Floor: one pass over both.
void DiffCombine(const Tensor& streams, int32_t group, int32_t width, float lambda, const float* weight, float eps,
                 const Tensor& out, ThreadPool& pool);

}  // namespace batucada
