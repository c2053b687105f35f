// Ops on one NVIDIA GPU. Every op is a launcher of this directory, called on the device's stream.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matmul.h"
#include "kernels/cuda/selective_scan.h"
#include "kernels/cuda/uploader.h"
#include "kernels/ops.h"
#include "kernels/plan_rows.h"

namespace batucada {

class CudaOps final : public Ops {
 public:
  // See MakeCudaOps.
  static absl::StatusOr<std::unique_ptr<CudaOps>> Create(int device, RowMath rows,
                                                         std::unique_ptr<Communicator> communicator);
  ~CudaOps() override;

  Device& device() const override { return *device_; }
  Communicator& communicator() const override { return *communicator_; }
  DType activation_dtype() const override { return DType::kBf16; }

  absl::StatusOr<Matrix> LoadMatrix(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                    std::string_view what) override;
  absl::StatusOr<Matrix> LoadGateUp(const HostTensor& gate, const HostTensor& up, int64_t pad_rows,
                                    std::string_view what) override;
  absl::StatusOr<Buffer> LoadFloats(const HostTensor& t, std::string_view what) override;
  absl::Status FinishLoading() override;

  void Embed(const Matrix& table, const BatchView& b, Tensor out) override;
  void RmsNorm(Tensor x, const float* weight, float eps, Tensor out) override;
  void MatMul(const Matrix& w, Tensor in, Tensor out) override;
  void MatMulAdd(const Matrix& w, Tensor in, Tensor acc) override;
  void MatMulCausalConv(const Matrix& w, Tensor in, Tensor out, const BatchView& b, const ConvArgs& args) override;
  void MatMulAddNorm(const Matrix& w, Tensor in, Tensor acc, const AddNormArgs& norm, Tensor out) override;
  void CausalConv(const BatchView& b, const ConvArgs& args) override;
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

  std::vector<int32_t> RowsToWarmUp(int32_t most) const override {
    return target_.batch_invariant ? std::vector<int32_t>{most} : RowsToPlan(most);
  }
  int64_t plan_searches() const override { return plans_->searches(); }

  // Where this Ops launches; for benchmarks that time single launchers.
  const cuda::Target& target() const { return target_; }

 private:
  CudaOps(std::unique_ptr<CudaDevice> device, std::unique_ptr<Communicator> communicator);

  // How the rows of several parts lie in one matrix: one part below the other, or a row of each in turn.
  enum class Order { kStacked, kWoven };
  absl::StatusOr<Matrix> LoadParts(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols, Order order,
                                   std::string_view what);

  // Makes uploader_ if there is none.
  absl::Status ReadyToLoad();

  bool Ready() { return device_->Ready(); }
  // Keeps the first failure.
  void Check(std::string_view op, cudaError_t error) { device_->Check(op, error); }
  void Check(std::string_view op, const absl::Status& status) { device_->Fail(op, status); }
  void Refuse(std::string_view op, std::string_view why);
  bool StepMakesDt(const BatchView& b, const ScanArgs& args) const;
  void Scan(const BatchView& b, const ScanArgs& args, const cuda::LowRankParts& low);
  void RunInvariantMatMul(std::string_view op, const cuda::MatMulParams& params);
  void RunMatMul(std::string_view op, const Matrix& w, const Tensor& in, const Tensor& out, cuda::MatMulOutput output);

  const std::unique_ptr<CudaDevice> device_;
  const std::unique_ptr<Communicator> communicator_;
  cuda::Target target_;
  Buffer workspace_;
  Buffer counters_;
  std::unique_ptr<cuda::MatMulPlans> plans_;
  std::unique_ptr<Uploader> uploader_;  // while weights are loaded
};

}  // namespace batucada
