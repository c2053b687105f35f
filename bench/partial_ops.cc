#include "bench/partial_ops.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace batucada {

void PartialOps::LeaveOut(const std::string& kind) {
  left_out_ = kind;
  device().ForgetCaptured();
}

bool PartialOps::Runs(const std::string& kind, double floor) {
  if (kinds_ != nullptr) {
    Kind& entry = (*kinds_)[kind];
    ++entry.calls;
    entry.floor += floor;
  }
  return kind != left_out_;
}

double PartialOps::FloorOf(const Matrix& w, int64_t rows) const {
  const double weights = static_cast<double>(w.out * w.in);
  const auto bytes = static_cast<double>(SizeOf(w.dtype));
  return std::max(weights * bytes / ceilings_.bytes_per_s,
                  2 * weights * static_cast<double>(rows) / ceilings_.flops_per_s);
}

double PartialOps::FloorOfKeys(int64_t rows, int64_t kv_width, int64_t window) const {
  const auto bytes = static_cast<double>(2 * SizeOf(activation_dtype()));
  return bytes * static_cast<double>(rows * kv_width * std::min(context_, window)) / ceilings_.bytes_per_s;
}

bool PartialOps::Runs(const std::string& op, const Matrix& w, const Tensor& in) {
  return Runs(absl::StrCat(op, " [", w.out, ", ", w.in, "]"), FloorOf(w, in.rows));
}

void PartialOps::Embed(const Matrix& table, const BatchView& b, Tensor out) {
  if (Runs("embed")) all_->Embed(table, b, out);
}
void PartialOps::RmsNorm(Tensor x, const float* weight, float eps, Tensor out) {
  if (Runs("rms_norm")) all_->RmsNorm(x, weight, eps, out);
}
void PartialOps::MatMul(const Matrix& w, Tensor in, Tensor out) {
  if (Runs("matmul", w, in)) all_->MatMul(w, in, out);
}
void PartialOps::MatMulAdd(const Matrix& w, Tensor in, Tensor acc) {
  if (Runs("matmul_add", w, in)) all_->MatMulAdd(w, in, acc);
}
void PartialOps::MatMulAddNorm(const Matrix& w, Tensor in, Tensor acc, const AddNormArgs& norm, Tensor out) {
  if (Runs("matmul_add_norm", w, in)) all_->MatMulAddNorm(w, in, acc, norm, out);
}
void PartialOps::CausalConv(const BatchView& b, const ConvArgs& args) {
  if (Runs("causal_conv")) all_->CausalConv(b, args);
}
void PartialOps::MatMulCausalConv(const Matrix& w, Tensor in, Tensor out, const BatchView& b, const ConvArgs& args) {
  if (Runs("matmul_causal_conv", w, in)) all_->MatMulCausalConv(w, in, out, b, args);
}
double PartialOps::FloorOf(const BatchView& b, const ScanArgs& args) const {
  const double product = args.dt_proj == nullptr ? 0 : FloorOf(*args.dt_proj, args.x.rows);
  // A decode row reads and writes its state, fp32.
  const double state = 8.0 * static_cast<double>(args.x.cols) * args.d_state * b.num_decode;
  return product + state / ceilings_.bytes_per_s;
}
void PartialOps::SelectiveScan(const BatchView& b, const ScanArgs& args) {
  if (Runs("selective_scan", FloorOf(b, args))) all_->SelectiveScan(b, args);
}
void PartialOps::MatMulSelectiveScan(const BatchView& b, const LowRankArgs& low, const ScanArgs& args) {
  if (Runs("matmul_selective_scan", FloorOf(*low.x_proj, args.x.rows) + FloorOf(b, args))) {
    all_->MatMulSelectiveScan(b, low, args);
  }
}
void PartialOps::Attention(const BatchView& b, const AttentionArgs& args) {
  const double keys = FloorOfKeys(b.num_decode, int64_t{args.kv_heads} * args.head_dim, args.window);
  if (Runs("attention", keys)) all_->Attention(b, args);
}
void PartialOps::MatMulSwiGlu(const Matrix& w, Tensor in, Tensor gate_up, Tensor out) {
  if (Runs("matmul_swiglu", w, in)) all_->MatMulSwiGlu(w, in, gate_up, out);
}
void PartialOps::AddBias(Tensor x, const float* bias) {
  if (Runs("add_bias")) all_->AddBias(x, bias);
}
void PartialOps::LayerNorm(Tensor x, const float* weight, const float* bias, float eps, Tensor out) {
  if (Runs("layer_norm")) all_->LayerNorm(x, weight, bias, eps, out);
}
void PartialOps::SiluGate(Tensor gate, Tensor x, Tensor out) {
  if (Runs("silu_gate")) all_->SiluGate(gate, x, out);
}
void PartialOps::WriteKv(const BatchView& b, const WriteKvArgs& args) {
  if (Runs("write_kv")) all_->WriteKv(b, args);
}
void PartialOps::CrossAttention(const BatchView& b, const CrossAttentionArgs& args) {
  const double keys = FloorOfKeys(args.q.rows, int64_t{args.kv_heads} * args.head_dim, context_);
  if (Runs("cross_attention", keys)) all_->CrossAttention(b, args);
}
void PartialOps::DiffCombine(const DiffCombineArgs& args) {
  if (Runs("diff_combine")) all_->DiffCombine(args);
}
void PartialOps::GatherRows(Tensor x, const int32_t* rows, Tensor out) {
  if (Runs("gather_rows")) all_->GatherRows(x, rows, out);
}
void PartialOps::Sample(Tensor logits, int32_t vocab, const RowSampling* rows, const ControlView& controls,
                        RowSample* results, int32_t* last_token) {
  if (Runs("sample")) all_->Sample(logits, vocab, rows, controls, results, last_token);
}
void PartialOps::PlaceRows(const BatchView& b, const PlaceRowsArgs& args) {
  if (Runs("place_rows")) all_->PlaceRows(b, args);
}
void PartialOps::KeepDrafts(const BatchView& b, const KeepDraftsArgs& args) {
  if (Runs("keep_drafts")) all_->KeepDrafts(b, args);
}

}  // namespace batucada
