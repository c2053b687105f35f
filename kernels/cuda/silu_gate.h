// out = silu(gate) · x, element by element: the gate of a gated memory unit (arXiv 2507.06607, §2).
//   gate, x and out [rows, cols] bf16; out may be either
// Floor: 6 bytes per element over the copy bandwidth. Not measured.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace batucada::cuda {

struct SiluGateParams {
  const __nv_bfloat16* gate;
  int64_t gate_stride;
  const __nv_bfloat16* x;
  int64_t x_stride;
  int32_t rows;
  int32_t cols;
  __nv_bfloat16* out;
  int64_t out_stride;
};

cudaError_t SiluGate(const SiluGateParams& params, const Target& target);

}  // namespace batucada::cuda
