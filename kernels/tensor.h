// The values kernels work on: element types and non-owning views of row-major matrices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace batucada {

enum class DType : uint8_t { kF32, kBf16, kF16, kI32, kI64 };

constexpr size_t SizeOf(DType t) {
  switch (t) {
    case DType::kF32: return 4;
    case DType::kBf16: return 2;
    case DType::kF16: return 2;
    case DType::kI32: return 4;
    case DType::kI64: return 8;
  }
  return 0;
}

constexpr std::string_view NameOf(DType t) {
  switch (t) {
    case DType::kF32: return "fp32";
    case DType::kBf16: return "bf16";
    case DType::kF16: return "fp16";
    case DType::kI32: return "int32";
    case DType::kI64: return "int64";
  }
  return "?";
}

// A row-major matrix in the memory of whichever device owns it: element (r, c) lies at data + (r * stride + c)
// elements. Views are cheap to copy and own nothing.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // elements from one row to the next, >= cols

  template <typename T>
  T* As() const {
    return static_cast<T*>(data);
  }

  // Columns [first, first + count) of every row.
  Tensor Cols(int64_t first, int64_t count) const {
    return {static_cast<char*>(data) + static_cast<size_t>(first) * SizeOf(dtype), dtype, rows, count, stride};
  }
  // Rows [first, first + count).
  Tensor Rows(int64_t first, int64_t count) const {
    return {static_cast<char*>(data) + static_cast<size_t>(first * stride) * SizeOf(dtype), dtype, count, cols, stride};
  }
};

// A tensor as a checkpoint holds it, in host memory, contiguous, rows * cols elements; not necessarily aligned.
struct HostTensor {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t rows = 0;  // 1-d tensors have rows = 1
  int64_t cols = 0;
};

}  // namespace batucada
