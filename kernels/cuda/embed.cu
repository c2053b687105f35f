#include "kernels/cuda/embed.h"

#include "kernels/cuda/drafts.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

__global__ void EmbedKernel(const EmbedParams p) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int row = blockIdx.x;
  const bool goes_on = row < p.num_decode && !IsDraft(p.before, p.slot, row);
  const int id = goes_on ? p.last_token[p.slot[row]] : p.token_ids[row];
  const bf16* from = p.table + id * p.table_stride;
  float* to = p.out + row * p.out_stride;
  for (int c = threadIdx.x; c < p.cols; c += blockDim.x) to[c] = __bfloat162float(from[c]);
}

}  // namespace

cudaError_t Embed(const EmbedParams& params, const Target& target) {
  if (params.before != nullptr) {
    // Behind PlaceRows, and in front of kernels that read places before they wait: none begins before it has ended.
    EmbedKernel<<<params.num_tokens, 256, 0, target.stream>>>(params);
    return cudaGetLastError();
  }
  return Launch(target, EmbedKernel, dim3(params.num_tokens), dim3(256), 0, params);
}

}  // namespace batucada::cuda
