#include "kernels/cuda/host_convert.h"

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/float16.h"

namespace batucada::cuda {
namespace {

template <typename T>
T LoadAt(const void* data, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
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
      for (int64_t i = 0; i < count; ++i) to[i] = Bf16FromFloat(LoadAt<float>(t.data, first + i));
      return absl::OkStatus();
    case DType::kF16:
      for (int64_t i = 0; i < count; ++i) to[i] = Bf16FromFloat(FloatFromFp16(LoadAt<uint16_t>(t.data, first + i)));
      return absl::OkStatus();
    default: return Unsupported(t.dtype);
  }
}

absl::Status ConvertToFloat(const HostTensor& t, float* to) {
  const int64_t count = t.rows * t.cols;
  switch (t.dtype) {
    case DType::kF32: std::memcpy(to, t.data, static_cast<size_t>(count) * 4); return absl::OkStatus();
    case DType::kBf16:
      for (int64_t i = 0; i < count; ++i) to[i] = FloatFromBf16(LoadAt<uint16_t>(t.data, i));
      return absl::OkStatus();
    case DType::kF16:
      for (int64_t i = 0; i < count; ++i) to[i] = FloatFromFp16(LoadAt<uint16_t>(t.data, i));
      return absl::OkStatus();
    default: return Unsupported(t.dtype);
  }
}

}  // namespace batucada::cuda
