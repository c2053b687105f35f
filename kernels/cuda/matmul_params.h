// The arguments of a matrix product, shared by its implementations.
#pragma once

#include <cstdint>

namespace batucada::cuda {

enum class MatMulOutput {
  kBf16,
  kF32,
  kAddF32,    // adds to what is there
  kPartsF32,  // fp32 [parts, rows, n], n even: sums over parts of k, for the next kernel to add up
  kSwiGlu,    // bf16 [rows, n / 2]: columns 2i and 2i + 1 of the product, gate and up, become silu(gate) · up
};

inline constexpr int kMostParts = 8;  // of kPartsF32

struct MatMulParams {
  const void* w;  // [n, k] bf16, contiguous
  int64_t n;
  int64_t k;
  const void* in;  // [rows, k] bf16
  int64_t in_stride;
  int64_t rows;
  void* out;  // [rows, n]
  int64_t out_stride;
  MatMulOutput output;
};

}  // namespace batucada::cuda
