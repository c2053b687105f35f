// What this machine can do at best, measured in the same run as the kernels that are held against it.
#pragma once

#include "kernels/cpu/thread_pool.h"

namespace batucada {

struct CpuCeilings {
  double read_bytes_per_s = 0;  // streaming reads of memory that no cache holds, all threads
  // Of products with bf16 weights: fp32 multiply-adds in registers, all threads, or half of what AMX's tiles do, which
  // take every product twice (matmul_amx.h).
  double product_flop_per_s = 0;
};

// Seconds of this thread's CPU time if there is one thread, of the clock otherwise: on a machine shared with others,
// one thread's figures stay true.
double BenchSeconds(int threads);

// Takes about a second. The best of several runs: ceilings are what is possible.
CpuCeilings MeasureCpuCeilings(ThreadPool& pool);

}  // namespace batucada
