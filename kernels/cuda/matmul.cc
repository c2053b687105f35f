#include "kernels/cuda/matmul.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/stream.h"
#include "kernels/plan_rows.h"

namespace batucada::cuda {
namespace {

absl::Status BlasStatus(const CublasLt& lt, cublasStatus_t status, const MatMulParams& p) {
  if (status == CUBLAS_STATUS_SUCCESS) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cuBLASLt: ", lt.GetStatusString(status), " for [", p.rows, ", ", p.k,
                                          "] x [", p.n, ", ", p.k, "]"));
}

// The largest power of two up to 16 that divides the address.
uint32_t AlignmentOf(const void* p) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(p);
  uint32_t alignment = 16;
  while (address % alignment != 0) alignment /= 2;
  return alignment;
}

// cuBLASLt speaks column-major: out [n, rows] = wᵀ [n, k] · in [k, rows].
struct Layouts {
  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t w;
  cublasLtMatrixLayoutOpaque_t in;
  cublasLtMatrixLayoutOpaque_t out;

  cublasStatus_t Init(const CublasLt& lt, const MatMulParams& p, int64_t rows) {
    const cudaDataType_t type = p.output == MatMulOutput::kBf16 ? CUDA_R_16BF : CUDA_R_32F;
    const cublasOperation_t transpose = CUBLAS_OP_T;
    cublasStatus_t s = lt.MatmulDescInit(&product, sizeof(product), CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (s == CUBLAS_STATUS_SUCCESS) {
      s = lt.MatmulDescSetAttribute(&product, CUBLASLT_MATMUL_DESC_TRANSA, &transpose, sizeof(transpose));
    }
    const auto layout = [&lt, &s](cublasLtMatrixLayout_t to, cudaDataType_t t, int64_t r, int64_t c, int64_t stride) {
      if (s == CUBLAS_STATUS_SUCCESS) {
        s = lt.MatrixLayoutInit(to, sizeof(*to), t, static_cast<uint64_t>(r), static_cast<uint64_t>(c), stride);
      }
    };
    layout(&w, CUDA_R_16BF, p.k, p.n, p.k);
    layout(&in, CUDA_R_16BF, p.k, rows, p.in_stride);
    layout(&out, type, p.n, rows, p.out_stride);
    return s;
  }
};

constexpr int kCandidates = 8;
constexpr int kTimedRuns = 8;
constexpr int64_t kMostRowsTimed = 512;

// The first half of the workspace is cuBLASLt's, the second takes results while plans are timed.
size_t PlanWorkspace(const Target& target) { return target.workspace_bytes / 2; }

cublasStatus_t Multiply(const CublasLt& lt, cublasLtHandle_t handle, const Layouts& l, const MatMulParams& p, void* out,
                        const cublasLtMatmulAlgo_t& algo, const Target& target) {
  const float one = 1.f;
  const float add = p.output == MatMulOutput::kAddF32 ? 1.f : 0.f;
  // The descriptors are read only, but the interface takes them as they were made.
  Layouts& m = const_cast<Layouts&>(l);
  return lt.Matmul(handle, &m.product, &one, p.w, &m.w, p.in, &m.in, &add, out, &m.out, out, &m.out, &algo,
                   target.workspace, PlanWorkspace(target), target.stream);
}

// Milliseconds of one product into scratch, with weights that are not in the cache.
absl::StatusOr<float> Time(const CublasLt& lt, cublasLtHandle_t handle, const Layouts& l, const MatMulParams& p,
                           const cublasLtMatmulAlgo_t& algo, const CudaEvent& begin, const CudaEvent& end,
                           const Target& target) {
  void* const scratch = static_cast<char*>(target.workspace) + PlanWorkspace(target);
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaMemsetAsync(target.workspace, 0, target.workspace_bytes, target.stream), "clear");
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaEventRecord(begin.get(), target.stream), "time a plan");
  if (const cublasStatus_t s = Multiply(lt, handle, l, p, scratch, algo, target); s != CUBLAS_STATUS_SUCCESS) {
    return BlasStatus(lt, s, p);
  }
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaEventRecord(end.get(), target.stream), "time a plan");
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaEventSynchronize(end.get()), "time a plan");
  float milliseconds = 0;
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), "time a plan");
  return milliseconds;
}

// Whether plans can be tried: nothing is being captured and the result fits into scratch.
bool CanTime(const MatMulParams& p, const Target& target) {
  const int64_t bytes = p.rows * p.out_stride * (p.output == MatMulOutput::kBf16 ? 2 : 4);
  if (p.rows > kMostRowsTimed || bytes > static_cast<int64_t>(target.workspace_bytes - PlanWorkspace(target)))
    return false;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusActive;
  return cudaStreamIsCapturing(target.stream, &capture) == cudaSuccess && capture == cudaStreamCaptureStatusNone;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MatMulPlans>> MatMulPlans::Create() {
  const absl::StatusOr<CublasLt>& library = LoadCublasLt();
  if (!library.ok()) return library.status();
  const CublasLt& lt = *library;
  cublasLtHandle_t handle = nullptr;
  if (const cublasStatus_t s = lt.Create(&handle); s != CUBLAS_STATUS_SUCCESS) {
    return absl::UnavailableError(absl::StrCat("cuBLASLt does not start: ", lt.GetStatusString(s)));
  }
  return std::unique_ptr<MatMulPlans>(new MatMulPlans(lt, handle));
}

MatMulPlans::~MatMulPlans() { static_cast<void>(lt_.Destroy(handle_)); }

absl::StatusOr<cublasLtMatmulAlgo_t> MatMulPlans::Find(const MatMulParams& p, const Target& target) const {
  const bool can_time = CanTime(p, target);
  Layouts layouts;
  cublasStatus_t s = layouts.Init(lt_, p, can_time ? p.rows : PlanRows(p.rows));
  cublasLtMatmulPreferenceOpaque_t preference;
  if (s == CUBLAS_STATUS_SUCCESS) s = lt_.MatmulPreferenceInit(&preference, sizeof(preference));
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
    if (s == CUBLAS_STATUS_SUCCESS) s = lt_.MatmulPreferenceSetAttribute(&preference, name, &value, sizeof(value));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(PlanWorkspace(target)));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, AlignmentOf(p.w));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, AlignmentOf(p.in));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, AlignmentOf(p.out));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, AlignmentOf(p.out));
  cublasLtMatmulHeuristicResult_t found[kCandidates];
  int count = 0;
  if (s == CUBLAS_STATUS_SUCCESS) {
    s = lt_.MatmulAlgoGetHeuristic(handle_, &layouts.product, &layouts.w, &layouts.in, &layouts.out, &layouts.out,
                                   &preference, can_time ? kCandidates : 1, found, &count);
  }
  if (s == CUBLAS_STATUS_SUCCESS && count == 0) s = CUBLAS_STATUS_NOT_SUPPORTED;
  if (s != CUBLAS_STATUS_SUCCESS) return BlasStatus(lt_, s, p);
  if (!can_time) return found[0].algo;
  const absl::StatusOr<CudaEvent> begin = MakeCudaEvent(EventTiming::kOn), end = MakeCudaEvent(EventTiming::kOn);
  if (!begin.ok()) return begin.status();
  if (!end.ok()) return end.status();
  // In turns, and of each the least: the first run loads the kernel, and clocks drift.
  float least[kCandidates];
  std::fill(least, least + count, std::numeric_limits<float>::infinity());
  for (int run = 0; run < kTimedRuns; ++run) {
    for (int i = 0; i < count; ++i) {
      if (found[i].state != CUBLAS_STATUS_SUCCESS || found[i].workspaceSize > PlanWorkspace(target)) continue;
      const absl::StatusOr<float> time = Time(lt_, handle_, layouts, p, found[i].algo, *begin, *end, target);
      if (!time.ok()) return time.status();
      least[i] = std::min(least[i], *time);
    }
  }
  return found[std::min_element(least, least + count) - least].algo;
}

absl::Status MatMulPlans::Run(const MatMulParams& p, const Target& target) {
  const Key key{PlanRows(p.rows), p.n, p.k, p.in_stride, p.out_stride, AlignmentOf(p.in) * 32 + AlignmentOf(p.out),
                p.output};
  auto plan = plans_.find(key);
  if (plan == plans_.end()) {
    searches_.fetch_add(1, std::memory_order_relaxed);
    const absl::StatusOr<cublasLtMatmulAlgo_t> found = Find(p, target);
    if (!found.ok()) return found.status();
    plan = plans_.emplace(key, *found).first;
  }
  Layouts layouts;
  if (const cublasStatus_t s = layouts.Init(lt_, p, p.rows); s != CUBLAS_STATUS_SUCCESS) return BlasStatus(lt_, s, p);
  return BlasStatus(lt_, Multiply(lt_, handle_, layouts, p, p.out, plan->second, target), p);
}

}  // namespace batucada::cuda
