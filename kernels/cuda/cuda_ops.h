// Ops on one NVIDIA GPU. Every op is a launcher of this directory, called on one stream of its own.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/matmul.h"
#include "kernels/device/memory.h"
#include "kernels/device/stream.h"
#include "kernels/ops.h"
#include "kernels/plan_rows.h"

namespace batucada {

class CudaOps final : public Ops {
 public:
  static absl::StatusOr<std::unique_ptr<CudaOps>> Create(int device);
  ~CudaOps() override;

  DeviceInfo Info() const override;
  DType activation_dtype() const override { return DType::kBf16; }
  int max_steps_in_flight() const override { return 2; }

  absl::StatusOr<Buffer> Allocate(size_t bytes, std::string_view what) override;
  absl::StatusOr<Buffer> AllocateHost(size_t bytes, std::string_view what) override;
  void CopyToDevice(void* device, const void* host, size_t bytes) override;
  void CopyToHost(void* host, const void* device, size_t bytes) override;
  void CopyOnDevice(void* to, const void* from, size_t bytes) override;

  absl::StatusOr<Matrix> LoadMatrix(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                    std::string_view what) override;
  absl::StatusOr<Matrix> LoadGateUp(const HostTensor& gate, const HostTensor& up, int64_t pad_rows,
                                    std::string_view what) override;
  absl::StatusOr<Buffer> LoadFloats(const HostTensor& t, std::string_view what) override;

  void Embed(const Matrix& table, const BatchView& b, Tensor out) override;
  void RmsNorm(Tensor x, const float* weight, float eps, Tensor out) override;
  void MatMul(const Matrix& w, Tensor in, Tensor out) override;
  void MatMulAdd(const Matrix& w, Tensor in, Tensor acc) override;
  void MatMulAddNorm(const Matrix& w, Tensor in, Tensor acc, const float* weight, float eps, Tensor out) override;
  void CausalConv(const BatchView& b, const ConvArgs& args) override;
  void SelectiveScan(const BatchView& b, const ScanArgs& args) override;
  void Attention(const BatchView& b, const AttentionArgs& args) override;
  void MatMulSwiGlu(const Matrix& w, Tensor in, Tensor gate_up, Tensor out) override;
  void GatherRows(Tensor x, const int32_t* rows, Tensor out) override;
  void Sample(Tensor logits, int32_t vocab, const RowSampling* rows, const ControlView& controls, RowSample* results,
              int32_t* last_token) override;

  std::vector<int32_t> RowsToWarmUp(int32_t most) const override { return RowsToPlan(most); }
  int64_t plan_searches() const override { return plans_->searches(); }
  bool RecordsSteps() const override { return true; }
  // 1, 2, 4, 8, then steps of an eighth: 27 recorded steps serve all up to 256 rows, and waste beyond 8 rows
  // is at most 7 rows or an eighth.
  int32_t PaddedDecodeRows(int32_t rows) const override;
  void RunRecorded(uint64_t key, const std::function<void()>& body) override;
  uint64_t Record() override;
  absl::Status Wait(uint64_t mark) override;
  absl::Status status() const override { return status_; }

  // Where this Ops launches; for benchmarks that time single launchers.
  const cuda::Target& target() const { return target_; }

 private:
  CudaOps(int device, std::string name, CudaStream stream);

  // How the rows of several parts lie in one matrix: one part below the other, or a row of each in turn.
  enum class Order { kStacked, kWoven };
  absl::StatusOr<Matrix> LoadParts(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols, Order order,
                                   std::string_view what);

  // Whether ops still run; makes this device the thread's current one.
  bool Ready();
  // Keeps the first failure.
  void Check(std::string_view op, cudaError_t error);
  void Check(std::string_view op, const absl::Status& status);
  void Refuse(std::string_view op, std::string_view why);
  void RunMatMul(std::string_view op, const Matrix& w, const Tensor& in, const Tensor& out, cuda::MatMulOutput output);
  void Capture(const std::function<void()>& body, CudaGraphExec& to);

  const int device_;
  const std::string name_;
  CudaStream stream_;
  cuda::Target target_;
  Buffer workspace_;
  Buffer counters_;
  std::unique_ptr<cuda::MatMulPlans> plans_;
  absl::Status status_;

  // What RunRecorded knows of a key: seen once, it ran op by op; from the second time on it is a graph.
  std::unordered_map<uint64_t, CudaGraphExec> graphs_;

  // Marks not yet waited for, oldest first, and events to use again.
  struct Mark {
    uint64_t id;
    CudaEvent event;
  };
  std::deque<Mark> marks_;
  std::deque<CudaEvent> spare_events_;
  uint64_t next_mark_ = 1;
};

}  // namespace batucada
