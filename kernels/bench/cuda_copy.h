// The copy whose speed is the bandwidth ceiling: 16 bytes a thread and step, every multiprocessor busy.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace batucada::bench {

// `bytes` a multiple of 16, both pointers aligned to 16 bytes.
cudaError_t CopyOnMultiprocessors(void* to, const void* from, size_t bytes, cudaStream_t stream);

}  // namespace batucada::bench
