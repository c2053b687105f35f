// What ops check of their tensors before they launch, and say of those that they refuse.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/matmul_params.h"
#include "kernels/ops.h"

namespace batucada::cuda {

inline int32_t Int(int64_t v) { return static_cast<int32_t>(v); }

inline bool Aligned16(const Tensor& t) {
  return reinterpret_cast<uintptr_t>(t.data) % 16 == 0 && t.stride * static_cast<int64_t>(SizeOf(t.dtype)) % 16 == 0;
}

inline std::string ShapeOf(const Tensor& t) {
  return absl::StrCat("[", t.rows, ", ", t.cols, "] ", std::string(NameOf(t.dtype)));
}

inline bool IsAct(const Tensor& t) { return t.dtype == DType::kBf16; }
inline bool IsAct(const Tensor& t, int64_t rows, int64_t cols) { return IsAct(t) && t.rows == rows && t.cols == cols; }

inline MatMulParams Product(const Matrix& w, const Tensor& in, const Tensor& out, MatMulOutput output) {
  return {.w = w.storage.data(),
          .n = w.out,
          .k = w.in,
          .in = in.data,
          .in_stride = in.stride,
          .rows = in.rows,
          .out = out.data,
          .out_stride = out.stride,
          .output = output};
}

}  // namespace batucada::cuda
