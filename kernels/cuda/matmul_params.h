// The arguments of a matrix product, shared by its implementations.
#pragma once

#include <cstdint>

#include "kernels/cuda/conv_step.h"

namespace batucada::cuda {

enum class MatMulOutput {
  kBf16,
  kF32,
  kAddF32,    // adds to what is there
  kPartsF32,  // fp32 [parts, rows, n], n even: sums over parts of k, for the next kernel to add up
  kSwiGlu,    // bf16 [rows, n / 2]: columns 2i and 2i + 1 of the product, gate and up, become silu(gate) · up
};

inline constexpr int kMostParts = 8;  // of kPartsF32, unless most_parts says more

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
  int most_parts = kMostParts;  // that the next kernel can add up; of MediumMatMul's kPartsF32
  // RingMatMul alone. With channels: columns [0, channels) of out, bf16, go through a step of a convolution to
  // conv.out instead, n and strides multiples of 4, out aligned to 16 bytes, states to 8.
  ConvStep conv = {};
};

}  // namespace batucada::cuda
