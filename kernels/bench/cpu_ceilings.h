// What this machine can do at best, measured in the same run as the kernels that are held against it.
#pragma once

#include "kernels/cpu/thread_pool.h"

namespace batucada {

struct CpuCeilings {
  double read_bytes_per_s = 0;  // streaming reads of memory that no cache holds, all threads
  double sgemm_flop_per_s = 0;  // OpenBLAS, square fp32 product, as many threads
};

// Seconds of this thread's CPU time if there is one thread, of the clock otherwise: on a machine shared with others,
// one thread's figures stay true.
double BenchSeconds(int threads);

// Takes about two seconds. The best of several runs: ceilings are what is possible.
CpuCeilings MeasureCpuCeilings(ThreadPool& pool);

}  // namespace batucada
