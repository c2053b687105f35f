// TMA copies and the mbarriers in shared memory that count what has arrived (PTX, sm_90).
#pragma once

#include <cuda.h>

#include <cstdint>

namespace batucada::cuda {

#if __CUDA_ARCH__ >= 900

__device__ __forceinline__ void InitBarrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

// Makes fresh barriers visible to TMA.
__device__ __forceinline__ void PublishBarriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

__device__ __forceinline__ void Arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Arrives, and holds the phase open until `bytes` more have been copied.
__device__ __forceinline__ void ArriveExpecting(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

// Waits until the phase of the given parity has completed.
__device__ __forceinline__ void WaitBarrier(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

// TMA: copies the map's box at (col, row) to shared memory, zeros where it leaves the matrix; counts all its bytes on
// `barrier`.
__device__ __forceinline__ void CopyBox(uint32_t to, const CUtensorMap& map, int col, int row, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::
          "r"(to),
      "l"(&map), "r"(col), "r"(row), "r"(barrier)
      : "memory");
}

// The box of a panel map (MakePanelMap) that starts at (row, panel).
__device__ __forceinline__ void CopyPanels(uint32_t to, const CUtensorMap& map, int row, int panel, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], "
      "[%5];" ::"r"(to),
      "l"(&map), "r"(0), "r"(row), "r"(panel), "r"(barrier)
      : "memory");
}

// What the one thread of a product's producer does that feeds a ring of `slots` stages: copy_weights(stage, slot) for
// the first `ahead`, as many as there are and have room, of which at most kUnderWay are on their way at once, without a
// wait for the kernels before; then weights and copy_input(stage, slot) of each further stage once all workers have
// read what lies in its slot. Barriers of slot i: weights_there + 8·i, empty + 8·i. The input of the first stages is
// the workers' affair.
template <int kUnderWay, typename CopyWeights, typename CopyInput>
__device__ __forceinline__ void FeedRing(int stages, int slots, int ahead, uint32_t weights_there, uint32_t empty,
                                         const CopyWeights& copy_weights, const CopyInput& copy_input) {
  for (int stage = 0; stage < ahead; ++stage) {
    if (stage >= kUnderWay) WaitBarrier(weights_there + (stage - kUnderWay) * 8, 0);
    copy_weights(stage, stage);
  }
  for (int stage = slots, slot = 0, parity = 0; stage < stages; ++stage) {
    WaitBarrier(empty + slot * 8, parity);  // so the kernels before have finished
    copy_weights(stage, slot);
    copy_input(stage, slot);
    if (++slot == slots) {
      slot = 0;
      parity ^= 1;
    }
  }
}

#endif

}  // namespace batucada::cuda
