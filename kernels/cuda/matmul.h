// out = in · wᵀ or out += in · wᵀ through cuBLASLt, with plans kept by shape.
//   w [n, k] bf16 row-major and contiguous, in [rows, k] bf16, out [rows, n] bf16 or fp32; fp32 accumulation
// Floor: the larger of 2·n·k bytes over the copy bandwidth and 2·rows·n·k operations over the bf16 matrix rate.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/launch.h"

namespace batucada::cuda {

enum class MatMulOutput { kBf16, kF32, kAddF32 };  // the last adds to what is there

struct MatMulParams {
  const void* w;
  int64_t n;
  int64_t k;
  const void* in;
  int64_t in_stride;
  int64_t rows;
  void* out;
  int64_t out_stride;
  MatMulOutput output;
};

// Not thread safe. Plans are looked up once per shape and kept.
class MatMulPlans {
 public:
  static absl::StatusOr<std::unique_ptr<MatMulPlans>> Create();
  ~MatMulPlans();
  MatMulPlans(const MatMulPlans&) = delete;
  MatMulPlans& operator=(const MatMulPlans&) = delete;

  absl::Status Run(const MatMulParams& params, const Target& target);

 private:
  explicit MatMulPlans(cublasLtHandle_t handle) : handle_(handle) {}

  // rows (rounded up), n, k, in stride, out stride, alignments, output.
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, MatMulOutput>;
  cublasLtHandle_t handle_;
  std::map<Key, cublasLtMatmulAlgo_t> plans_;
};

}  // namespace batucada::cuda
