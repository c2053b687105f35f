#include "kernels/cuda/host_convert.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace batucada::cuda {
namespace {

template <typename T>
T LoadAt(const void* data, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

float Bf16ToFloat(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

uint16_t FloatToBf16(float value) {
  const __nv_bfloat16 rounded = __float2bfloat16_rn(value);
  uint16_t bits;
  std::memcpy(&bits, &rounded, sizeof(bits));
  return bits;
}

absl::Status Unsupported(DType dtype) {
  return absl::InvalidArgumentError(
      absl::StrCat("weights must be fp32, bf16 or fp16, not ", std::string(NameOf(dtype))));
}

}  // namespace

absl::Status ConvertToBf16(const HostTensor& t, int64_t first, int64_t count, uint16_t* to) {
  switch (t.dtype) {
    case DType::kBf16:
      std::memcpy(to, static_cast<const char*>(t.data) + first * 2, static_cast<size_t>(count) * 2);
      return absl::OkStatus();
    case DType::kF32:
      for (int64_t i = 0; i < count; ++i) to[i] = FloatToBf16(LoadAt<float>(t.data, first + i));
      return absl::OkStatus();
    case DType::kF16:
      for (int64_t i = 0; i < count; ++i) to[i] = FloatToBf16(__half2float(LoadAt<__half>(t.data, first + i)));
      return absl::OkStatus();
    default: return Unsupported(t.dtype);
  }
}

absl::Status ConvertToFloat(const HostTensor& t, float* to) {
  const int64_t count = t.rows * t.cols;
  switch (t.dtype) {
    case DType::kF32: std::memcpy(to, t.data, static_cast<size_t>(count) * 4); return absl::OkStatus();
    case DType::kBf16:
      for (int64_t i = 0; i < count; ++i) to[i] = Bf16ToFloat(LoadAt<uint16_t>(t.data, i));
      return absl::OkStatus();
    case DType::kF16:
      for (int64_t i = 0; i < count; ++i) to[i] = __half2float(LoadAt<__half>(t.data, i));
      return absl::OkStatus();
    default: return Unsupported(t.dtype);
  }
}

}  // namespace batucada::cuda
