#include "kernels/ops.h"

namespace batucada {

void Ops::MatMulAddNorm(const Matrix& w, Tensor in, Tensor acc, const AddNormArgs& norm, Tensor out) {
  MatMulAdd(w, in, acc);
  if (norm.added != nullptr) AddBias(acc, norm.added);
  if (norm.bias != nullptr) {
    LayerNorm(acc, norm.weight, norm.bias, norm.eps, out);
  } else {
    RmsNorm(acc, norm.weight, norm.eps, out);
  }
}

void Ops::MatMulSelectiveScan(const BatchView& b, const LowRankArgs& low, const ScanArgs& args) {
  Tensor all = args.dt_low;  // the three, side by side
  all.cols += args.b.cols + args.c.cols;
  if (low.dt_norm == nullptr) {
    MatMul(*low.x_proj, args.x, all);
  } else {
    MatMul(*low.x_proj, args.x, low.raw);
    const int64_t rank = args.dt_low.cols, states = args.b.cols;
    RmsNorm(low.raw.Cols(0, low.dt_rank), low.dt_norm, low.eps, args.dt_low.Cols(0, low.dt_rank));
    RmsNorm(low.raw.Cols(rank, states), low.b_norm, low.eps, args.b);
    RmsNorm(low.raw.Cols(rank + states, states), low.c_norm, low.eps, args.c);
  }
  SelectiveScan(b, args);
}

}  // namespace batucada
