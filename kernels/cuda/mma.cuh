// Warp-level matrix products and the shared-memory moves that feed them (PTX, sm_80 and up).
#pragma once

#include <cstdint>

#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {

__device__ __forceinline__ uint32_t SharedAddress(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// c += a · b: a [16, 16] row-major, b [16, 8] column-major, bf16; c [16, 8] fp32. Of lane 4g + t: a holds rows g and
// g + 8, columns 2t, 2t + 1, 2t + 8, 2t + 9; b rows 2t, 2t + 1, 2t + 8, 2t + 9 of column g; c rows g and g + 8, columns
// 2t and 2t + 1.
__device__ __forceinline__ void Mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// out = a · b: a [16, 8] row-major, b [8, 8] column-major, bf16. Of lane 4g + t: a holds rows g and g + 8, columns 2t
// and 2t + 1; b rows 2t and 2t + 1 of column g; out as c above.
__device__ __forceinline__ void MmaShort(float (&out)[4], uint32_t a0, uint32_t a1, uint32_t b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%7,%7,%7};"
      : "=f"(out[0]), "=f"(out[1]), "=f"(out[2]), "=f"(out[3])
      : "r"(a0), "r"(a1), "r"(b), "f"(0.f));
}

// c += a · b: a [16, 8] row-major, b [8, 8] column-major, tf32: floats whose low 13 bits are ignored. Of lane 4g + t: a
// holds rows g and g + 8 of column t, then of column t + 4; b rows t and t + 4 of column g; c as above.
__device__ __forceinline__ void MmaTf32(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8×8 matrices of 16-bit elements; lane i gives the address of row i % 8 of matrix i / 8.
__device__ __forceinline__ void LoadMatrices(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

__device__ __forceinline__ void LoadMatricesTransposed(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

// The transpose of an 8×8 matrix of 16-bit elements held as lane 4g + t: row g, columns 2t and 2t + 1.
__device__ __forceinline__ uint32_t TransposeMatrix(uint32_t r) {
  uint32_t out;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(out) : "r"(r));
  return out;
}

// Copies 16 bytes from global to shared memory in the background.
__device__ __forceinline__ void CopyAsync(uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

__device__ __forceinline__ void CommitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most kPending of the committed groups are still under way.
template <int kPending>
__device__ __forceinline__ void WaitCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Byte offset of the 16-byte pack `pack` of row `row` in a tile of rows of kDim bf16 (64 or more): packs are permuted
// by the row, so that the eight rows of a matrix load fall into different banks.
template <int kDim>
__device__ __forceinline__ uint32_t TileOffset(int row, int pack) {
  return row * (kDim * 2) + ((pack ^ (row & 7)) << 4);
}

}  // namespace batucada::cuda
