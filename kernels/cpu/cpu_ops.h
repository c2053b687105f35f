// Every op on the host's cores: checks arguments, then calls the kernel of the same name.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/rope.h"
#include "kernels/cpu/sample.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"

namespace batucada {

// Activations, conv state and K/V are fp32. Ops run to completion before they return; the first that is called with
// arguments it cannot serve sets status() and turns all later ones into no-ops.
class CpuOps final : public Ops {
 public:
  CpuOps(int threads, Residency residency, std::unique_ptr<Communicator> communicator);  // threads >= 1

  Device& device() const override { return *device_; }
  Communicator& communicator() const override { return *communicator_; }
  DType activation_dtype() const override { return DType::kF32; }

  absl::StatusOr<Matrix> LoadMatrix(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                    std::string_view what) override;
  absl::StatusOr<Matrix> LoadGateUp(const HostTensor& gate, const HostTensor& up, int64_t pad_rows,
                                    std::string_view what) override;
  absl::StatusOr<Buffer> LoadFloats(const HostTensor& t, std::string_view what) override;
  absl::Status FinishLoading() override { return status(); }

  void Embed(const Matrix& table, const BatchView& b, Tensor out) override;
  void RmsNorm(Tensor x, const float* weight, float eps, Tensor out) override;
  void MatMul(const Matrix& w, Tensor in, Tensor out) override;
  void MatMulAdd(const Matrix& w, Tensor in, Tensor acc) override;
  void CausalConv(const BatchView& b, const ConvArgs& args) override;
  void SelectiveScan(const BatchView& b, const ScanArgs& args) override;
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

 private:
  // Notes a failure of `op` if `ok` is false; the first one stays. Returns whether the op may run.
  bool Check(bool ok, std::string_view op, std::string_view problem);
  bool CheckMatMul(std::string_view op, const Matrix& w, const Tensor& in, const Tensor& out);

  const std::unique_ptr<CpuDevice> device_;
  const std::unique_ptr<Communicator> communicator_;
  ThreadPool& pool_;  // the device's
  MatMulScratch matmul_scratch_;
  AttentionScratch attention_scratch_;
  RopeTable rope_;
  std::vector<SampleScratch> sample_scratch_;  // one per thread
};

}  // namespace batucada
