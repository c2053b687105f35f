#include "kernels/cuda/matmul.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace batucada::cuda {
namespace {

absl::Status BlasStatus(cublasStatus_t status, const MatMulParams& p) {
  if (status == CUBLAS_STATUS_SUCCESS) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cuBLASLt: ", cublasLtGetStatusString(status), " for [", p.rows, ", ", p.k,
                                          "] x [", p.n, ", ", p.k, "]"));
}

// The largest power of two up to 16 that divides the address.
uint32_t AlignmentOf(const void* p) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(p);
  uint32_t alignment = 16;
  while (address % alignment != 0) alignment /= 2;
  return alignment;
}

// Shapes that share a plan: every count of decode rows has its own, prompts share one per 256 rows.
int64_t PlanRows(int64_t rows) { return rows <= 256 ? rows : (rows + 255) / 256 * 256; }

// cuBLASLt speaks column-major: out [n, rows] = wᵀ [n, k] · in [k, rows].
struct Layouts {
  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t w;
  cublasLtMatrixLayoutOpaque_t in;
  cublasLtMatrixLayoutOpaque_t out;

  cublasStatus_t Init(const MatMulParams& p, int64_t rows) {
    const cudaDataType_t type = p.output == MatMulOutput::kBf16 ? CUDA_R_16BF : CUDA_R_32F;
    const cublasOperation_t transpose = CUBLAS_OP_T;
    cublasStatus_t s = cublasLtMatmulDescInit(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (s == CUBLAS_STATUS_SUCCESS) {
      s = cublasLtMatmulDescSetAttribute(&product, CUBLASLT_MATMUL_DESC_TRANSA, &transpose, sizeof(transpose));
    }
    const auto layout = [&s](cublasLtMatrixLayout_t to, cudaDataType_t t, int64_t r, int64_t c, int64_t stride) {
      if (s == CUBLAS_STATUS_SUCCESS) {
        s = cublasLtMatrixLayoutInit(to, t, static_cast<uint64_t>(r), static_cast<uint64_t>(c), stride);
      }
    };
    layout(&w, CUDA_R_16BF, p.k, p.n, p.k);
    layout(&in, CUDA_R_16BF, p.k, rows, p.in_stride);
    layout(&out, type, p.n, rows, p.out_stride);
    return s;
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<MatMulPlans>> MatMulPlans::Create() {
  cublasLtHandle_t handle = nullptr;
  if (const cublasStatus_t s = cublasLtCreate(&handle); s != CUBLAS_STATUS_SUCCESS) {
    return absl::UnavailableError(absl::StrCat("cuBLASLt does not start: ", cublasLtGetStatusString(s)));
  }
  return std::unique_ptr<MatMulPlans>(new MatMulPlans(handle));
}

MatMulPlans::~MatMulPlans() { static_cast<void>(cublasLtDestroy(handle_)); }

absl::Status MatMulPlans::Run(const MatMulParams& p, const Target& target) {
  const uint32_t in_alignment = AlignmentOf(p.in);
  const uint32_t out_alignment = AlignmentOf(p.out);
  const Key key{PlanRows(p.rows), p.n,   p.k, p.in_stride, p.out_stride, in_alignment * 32 + out_alignment,
                p.output};
  auto plan = plans_.find(key);
  Layouts layouts;
  if (plan == plans_.end()) {
    if (const cublasStatus_t s = layouts.Init(p, PlanRows(p.rows)); s != CUBLAS_STATUS_SUCCESS) return BlasStatus(s, p);
    cublasLtMatmulPreferenceOpaque_t preference;
    cublasStatus_t s = cublasLtMatmulPreferenceInit(&preference);
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
      if (s == CUBLAS_STATUS_SUCCESS) s = cublasLtMatmulPreferenceSetAttribute(&preference, name, &value, sizeof(value));
    };
    const uint64_t workspace = target.workspace_bytes;
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, AlignmentOf(p.w));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, in_alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, out_alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, out_alignment);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    if (s == CUBLAS_STATUS_SUCCESS) {
      s = cublasLtMatmulAlgoGetHeuristic(handle_, &layouts.product, &layouts.w, &layouts.in, &layouts.out, &layouts.out,
                                         &preference, 1, &found, &count);
    }
    if (s == CUBLAS_STATUS_SUCCESS && count == 0) s = CUBLAS_STATUS_NOT_SUPPORTED;
    if (s != CUBLAS_STATUS_SUCCESS) return BlasStatus(s, p);
    plan = plans_.emplace(key, found.algo).first;
  }
  if (const cublasStatus_t s = layouts.Init(p, p.rows); s != CUBLAS_STATUS_SUCCESS) return BlasStatus(s, p);
  const float one = 1.f;
  const float add = p.output == MatMulOutput::kAddF32 ? 1.f : 0.f;
  return BlasStatus(cublasLtMatmul(handle_, &layouts.product, &one, p.w, &layouts.w, p.in, &layouts.in, &add, p.out,
                                   &layouts.out, p.out, &layouts.out, &plan->second, target.workspace,
                                   target.workspace_bytes, target.stream),
                    p);
}

}  // namespace batucada::cuda
