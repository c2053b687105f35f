#include "kernels/cuda/tensor_map.h"

namespace batucada::cuda {
namespace {

using EncodeFn = decltype(&cuTensorMapEncodeTiled);

// The driver's function, found at run time so that programs start where there is no driver.
EncodeFn FindEncode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found);
  if (error != cudaSuccess || found != cudaDriverEntryPointSuccess) return nullptr;
  return reinterpret_cast<EncodeFn>(function);
}

EncodeFn Encode() {
  static const EncodeFn encode = FindEncode();
  return encode;
}

}  // namespace

cudaError_t MakeTensorMap(const void* data, int64_t rows, int64_t cols, int64_t stride, int box_rows,
                          CUtensorMap* map) {
  const EncodeFn encode = Encode();
  if (encode == nullptr) return cudaErrorNotSupported;
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(cols), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[1] = {static_cast<cuuint64_t>(stride) * 2};  // bytes
  const cuuint32_t box[2] = {kBoxCols, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  const CUresult result = encode(map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void*>(data), sizes, strides, box,
                                 steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t MakePanelMap(const void* data, int64_t rows, int64_t cols, int64_t stride, int box_rows, int panels,
                         CUtensorMap* map) {
  const EncodeFn encode = Encode();
  if (encode == nullptr) return cudaErrorNotSupported;
  const cuuint64_t sizes[3] = {kBoxCols, static_cast<cuuint64_t>(rows), static_cast<cuuint64_t>(cols / kBoxCols)};
  const cuuint64_t strides[2] = {static_cast<cuuint64_t>(stride) * 2, kBoxCols * 2};  // bytes
  const cuuint32_t box[3] = {kBoxCols, static_cast<cuuint32_t>(box_rows), static_cast<cuuint32_t>(panels)};
  const cuuint32_t steps[3] = {1, 1, 1};
  const CUresult result = encode(map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<void*>(data), sizes, strides, box,
                                 steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace batucada::cuda
