// Where and how a kernel is launched. Launchers return the runtime's error; the caller names the op.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

namespace batucada::cuda {

// The stream to launch on and what a launcher may know about its device. Cheap to copy.
struct Target {
  cudaStream_t stream = nullptr;
  int multiprocessors = 0;
  bool batch_invariant = false;  // a row's bits depend on nothing but the row: nothing may be chosen by their number
  bool hopper = false;           // compute capability 9.0: machine code with wgmma and programmatic launches is present
  void* workspace = nullptr;     // scratch for one op at a time, in stream order
  size_t workspace_bytes = 0;
  uint32_t* counters = nullptr;  // all zero between ops: a kernel that counts puts back what it found
  int num_counters = 0;
};

#ifdef __CUDACC__

// Waits until the kernels before this one in the stream have finished and their writes are visible. Every kernel
// launched through Launch calls it before it touches memory that another kernel writes or may still read.
__device__ __forceinline__ void WaitForEarlierKernels() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next kernel of the stream start its prologue once every block of this one got here.
__device__ __forceinline__ void LetNextKernelStart() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Launches so that, on Hopper, the kernel's start overlaps the end of the one before it (programmatic dependent
// launch). `cluster`: neighbours in x that run together and see each other's shared memory (Hopper only if more than
// 1).
template <typename... Params, typename... Args>
cudaError_t LaunchClusters(const Target& target, void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes,
                           int cluster, Args&&... args) {
  if (shared_bytes > 48 * 1024) {
    const cudaError_t error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return error;
  }
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[0].val.programmaticStreamSerializationAllowed = 1;
  attributes[1].id = cudaLaunchAttributeClusterDimension;
  attributes[1].val.clusterDim.x = static_cast<unsigned>(cluster);
  attributes[1].val.clusterDim.y = 1;
  attributes[1].val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = target.stream;
  config.attrs = attributes;
  config.numAttrs = !target.hopper ? 0 : cluster > 1 ? 2 : 1;
  return cudaLaunchKernelEx(&config, kernel, std::forward<Args>(args)...);
}

template <typename... Params, typename... Args>
cudaError_t Launch(const Target& target, void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes,
                   Args&&... args) {
  return LaunchClusters(target, kernel, grid, block, shared_bytes, 1, std::forward<Args>(args)...);
}

#endif  // __CUDACC__

}  // namespace batucada::cuda
