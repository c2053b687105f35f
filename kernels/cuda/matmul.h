// out = in · wᵀ or out += in · wᵀ through cuBLASLt, with plans kept by shape. Products of few rows try several plans
// the first time, outside graph captures, and keep the fastest: cuBLASLt's first guess is often half as fast there.
//   w [n, k] bf16 row-major and contiguous, in [rows, k] bf16, out [rows, n] bf16 or fp32; fp32 accumulation
// Floor: the larger of 2·n·k bytes over the copy bandwidth and 2·rows·n·k operations over the bf16 matrix rate.
// Measured on an H200, Samba 1.7B: 8,192 rows at 600 to 790 TFLOP/s; 64 rows at 38% (o_proj) to 95% (LM head) of the
// floor.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/cublaslt_library.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matmul_params.h"

namespace batucada::cuda {

// Not thread safe. Plans are searched for once per shape (plan_rows.h says which share one) and kept for good.
class MatMulPlans {
 public:
  // UNAVAILABLE where cuBLASLt is not to be had.
  static absl::StatusOr<std::unique_ptr<MatMulPlans>> Create();
  ~MatMulPlans();
  MatMulPlans(const MatMulPlans&) = delete;
  MatMulPlans& operator=(const MatMulPlans&) = delete;

  absl::Status Run(const MatMulParams& params, const Target& target);

  // How often a plan was not there and had to be searched for. From any thread.
  int64_t searches() const { return searches_.load(std::memory_order_relaxed); }

 private:
  MatMulPlans(const CublasLt& lt, cublasLtHandle_t handle) : lt_(lt), handle_(handle) {}

  absl::StatusOr<cublasLtMatmulAlgo_t> Find(const MatMulParams& params, const Target& target) const;

  // rows (rounded up), n, k, in stride, out stride, alignments, output.
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, MatMulOutput>;
  const CublasLt lt_;
  cublasLtHandle_t handle_;
  std::map<Key, cublasLtMatmulAlgo_t> plans_;
  std::atomic<int64_t> searches_ = 0;
};

}  // namespace batucada::cuda
