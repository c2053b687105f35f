// Ops that can leave one kind of op out of a step: what the step then takes less is what that kind takes within it,
// launches and gaps included, which no clock around the op itself shows.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/ceilings.h"
#include "kernels/ops.h"

namespace batucada {

// Used by one thread at a time. Results are of no use once something was left out.
class PartialOps final : public Ops {
 public:
  struct Kind {
    int calls = 0;
    double floor = 0;  // seconds: of its weights and their products, of decode rows' states, keys and values
  };
  using Kinds = std::map<std::string, Kind>;  // by name: "matmul_swiglu [16512, 2048]", "sample"

  PartialOps(std::unique_ptr<Ops> all, const Ceilings& ceilings) : all_(std::move(all)), ceilings_(ceilings) {}

  // Forgets what was captured; empty: all ops run.
  void LeaveOut(const std::string& kind);
  // Adds the ops that are asked for to `kinds`, where decode rows have `context` tokens behind them; null: no longer.
  void Record(Kinds* kinds, int64_t context) {
    kinds_ = kinds;
    context_ = context;
  }

  Device& device() const override { return all_->device(); }
  Communicator& communicator() const override { return all_->communicator(); }
  DType activation_dtype() const override { return all_->activation_dtype(); }
  absl::StatusOr<Matrix> LoadMatrix(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                    std::string_view what) override {
    return all_->LoadMatrix(parts, pad_rows, pad_cols, what);
  }
  absl::StatusOr<Matrix> LoadGateUp(const HostTensor& gate, const HostTensor& up, int64_t pad_rows,
                                    std::string_view what) override {
    return all_->LoadGateUp(gate, up, pad_rows, what);
  }
  absl::StatusOr<Buffer> LoadFloats(const HostTensor& t, std::string_view what) override {
    return all_->LoadFloats(t, what);
  }
  absl::Status FinishLoading() override { return all_->FinishLoading(); }

  void Embed(const Matrix& table, const BatchView& b, Tensor out) override;
  void RmsNorm(Tensor x, const float* weight, float eps, Tensor out) override;
  void MatMul(const Matrix& w, Tensor in, Tensor out) override;
  void MatMulAdd(const Matrix& w, Tensor in, Tensor acc) override;
  void MatMulAddNorm(const Matrix& w, Tensor in, Tensor acc, const AddNormArgs& norm, Tensor out) override;
  void CausalConv(const BatchView& b, const ConvArgs& args) override;
  void MatMulCausalConv(const Matrix& w, Tensor in, Tensor out, const BatchView& b, const ConvArgs& args) override;
  void SelectiveScan(const BatchView& b, const ScanArgs& args) override;
  void MatMulSelectiveScan(const BatchView& b, const LowRankArgs& low, const ScanArgs& args) override;
  void Attention(const BatchView& b, const AttentionArgs& args) override;
  void MatMulSwiGlu(const Matrix& w, Tensor in, Tensor gate_up, Tensor out) override;
  void AddBias(Tensor x, const float* bias) override;
  void LayerNorm(Tensor x, const float* weight, const float* bias, float eps, Tensor out) override;
  void SiluGate(Tensor gate, Tensor x, Tensor out) override;
  void WriteKv(const BatchView& b, const WriteKvArgs& args) override;
  void CrossAttention(const BatchView& b, const CrossAttentionArgs& args) override;
  void DiffCombine(const DiffCombineArgs& args) override;
  void GatherRows(Tensor x, const int32_t* rows, Tensor out) override;
  void Sample(Tensor logits, int32_t vocab, const RowSampling* rows, const ControlView& controls, RowSample* results,
              int32_t* last_token) override;
  void PlaceRows(const BatchView& b, const PlaceRowsArgs& args) override;
  void KeepDrafts(const BatchView& b, const KeepDraftsArgs& args) override;

  std::vector<int32_t> RowsToWarmUp(int32_t most) const override { return all_->RowsToWarmUp(most); }
  int64_t plan_searches() const override { return all_->plan_searches(); }

 private:
  // Whether this op is to run.
  bool Runs(const std::string& kind, double floor = 0);
  bool Runs(const std::string& op, const Matrix& w, const Tensor& in);
  double FloorOf(const Matrix& w, int64_t rows) const;
  double FloorOf(const BatchView& b, const ScanArgs& args) const;
  double FloorOfKeys(int64_t rows, int64_t kv_width, int64_t window) const;

  const std::unique_ptr<Ops> all_;
  const Ceilings ceilings_;
  std::string left_out_;
  Kinds* kinds_ = nullptr;
  int64_t context_ = 0;
};

}  // namespace batucada
