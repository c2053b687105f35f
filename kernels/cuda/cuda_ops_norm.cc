// The norms, alone and behind a product: checks what the kernels assume, names the op, launches.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/add_norm.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/layer_norm.h"
#include "kernels/cuda/medium_matmul.h"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/ring_matmul.h"
#include "kernels/cuda/rms_norm.h"

namespace batucada {
namespace {

using bf16 = __nv_bfloat16;
using cuda::Int;
using cuda::IsAct;
using cuda::Product;
using cuda::ShapeOf;

// What the parameters of all norms have.
template <typename Params>
Params NormOf(const Tensor& x, const float* weight, float eps, const Tensor& out) {
  Params p{};
  p.x = x.As<float>();
  p.x_stride = x.stride;
  p.weight = weight;
  p.eps = eps;
  p.rows = Int(x.rows);
  p.cols = Int(x.cols);
  p.out = out.As<bf16>();
  p.out_stride = out.stride;
  return p;
}

// Without parts: the norm of what is there.
cuda::AddNormParams AddNormOf(const Tensor& x, const AddNormArgs& args, const Tensor& out) {
  auto p = NormOf<cuda::AddNormParams>(x, args.weight, args.eps, out);
  p.added = args.added;
  p.bias = args.bias;
  return p;
}

}  // namespace

void CudaOps::RmsNorm(Tensor x, const float* weight, float eps, Tensor out) {
  if (!Ready() || x.rows == 0) return;
  if (x.dtype != DType::kF32 || !IsAct(out) || x.rows != out.rows || x.cols != out.cols) {
    return Refuse("rms_norm", absl::StrCat("from ", ShapeOf(x), " to ", ShapeOf(out)));
  }
  // The last row of a prompt and a decode row end up here or in MatMulAddNorm, as their company has it.
  const cuda::AddNormParams as_there = AddNormOf(x, {.weight = weight, .eps = eps}, out);
  if (target_.batch_invariant && cuda::AddNormServes(as_there)) {
    return Check("rms_norm", cuda::AddNorm(as_there, target_));
  }
  Check("rms_norm", cuda::RmsNorm(NormOf<cuda::RmsNormParams>(x, weight, eps, out), target_));
}

void CudaOps::LayerNorm(Tensor x, const float* weight, const float* bias, float eps, Tensor out) {
  if (!Ready() || x.rows == 0) return;
  if (x.dtype != DType::kF32 || !IsAct(out, x.rows, x.cols)) {
    return Refuse("layer_norm", absl::StrCat("from ", ShapeOf(x), " to ", ShapeOf(out)));
  }
  const cuda::AddNormParams as_there = AddNormOf(x, {.weight = weight, .bias = bias, .eps = eps}, out);
  if (cuda::AddNormServes(as_there)) return Check("layer_norm", cuda::AddNorm(as_there, target_));
  auto any = NormOf<cuda::LayerNormParams>(x, weight, eps, out);
  any.bias = bias;
  Check("layer_norm", cuda::LayerNorm(any, target_));
}

void CudaOps::MatMulAddNorm(const Matrix& w, Tensor in, Tensor acc, const AddNormArgs& args, Tensor out) {
  if (!Ready() || in.rows == 0) return;
  // A product cut along k leaves its sums in scratch, and the norm's kernel adds them up.
  cuda::MatMulParams product = Product(w, in, acc, cuda::MatMulOutput::kPartsF32);
  product.out = target_.workspace;
  product.out_stride = w.out;
  const bool ring = !target_.batch_invariant && cuda::RingMatMulServes(product, target_);
  const cuda::RingCut cut = cuda::ChooseRingCut(product, target_);
  cuda::AddNormParams norm = AddNormOf(acc, args, out);
  norm.parts = static_cast<const float*>(target_.workspace);
  norm.num_parts = ring ? cut.parts : cuda::MediumMatMulParts(product, target_);
  const auto fit = static_cast<int64_t>(target_.workspace_bytes / (sizeof(float) * norm.num_parts)) / w.out;
  const bool valid = IsAct(in) && acc.dtype == DType::kF32 && IsAct(out) && in.cols == w.in && acc.cols == w.out &&
                     out.cols == w.out && in.rows == acc.rows && in.rows == out.rows;
  const bool serves = target_.batch_invariant ? cuda::MediumMatMulComputes(product, target_)
                                              : (ring || cuda::MediumMatMulServes(product, target_)) && in.rows <= fit;
  if (!valid || communicator_->ranks() > 1 || !cuda::AddNormServes(norm) || !serves || fit == 0) {
    return Ops::MatMulAddNorm(w, in, acc, args, out);
  }
  for (int64_t first = 0; first < in.rows; first += fit) {
    const int64_t rows = std::min(fit, in.rows - first);
    product.in = in.Rows(first, rows).data;
    product.rows = rows;
    norm.x = acc.Rows(first, rows).As<float>();
    norm.out = out.Rows(first, rows).As<bf16>();
    norm.rows = Int(rows);
    Check("matmul_add_norm", ring ? cuda::RingMatMul(product, target_, cut) : cuda::MediumMatMul(product, target_));
    Check("matmul_add_norm", cuda::AddNorm(norm, target_));
  }
}

}  // namespace batucada
