// One NVIDIA GPU as a Device: work goes to one stream of its own, copies beside it to a second one.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "kernels/cuda/memory.h"
#include "kernels/cuda/stream.h"
#include "kernels/device.h"

namespace batucada {

class CudaDevice final : public Device {
 public:
  // UNAVAILABLE, with the reason, where there is no driver, no such device, or one that is too old.
  static absl::StatusOr<std::unique_ptr<CudaDevice>> Open(int device);
  ~CudaDevice() override;

  DeviceInfo Info() const override;
  int max_steps_in_flight() const override { return 2; }

  absl::StatusOr<Buffer> Allocate(size_t bytes, std::string_view what) override;
  absl::StatusOr<Buffer> AllocateHost(size_t bytes, std::string_view what) override;
  void CopyToDevice(void* device, const void* host, size_t bytes) override;
  void CopyToHost(void* host, const void* device, size_t bytes) override;
  void CopyOnDevice(void* to, const void* from, size_t bytes) override;
  void CopyPieces(std::span<const CopyPiece> pieces) override;
  void CopyBeside(std::span<const CopyPiece> pieces) override;
  void JoinCopies() override;

  bool CapturesGraphs() const override { return true; }
  void ForgetCaptured() override { graphs_.clear(); }
  void RunCaptured(uint64_t key, const std::function<void()>& body) override;
  // 1, 2, 4, 8, then steps of an eighth: 27 graphs serve all up to 256 rows, and waste beyond 8 rows is at most 7 rows
  // or an eighth.
  int32_t PaddedDecodeRows(int32_t rows) const override;

  uint64_t PlaceMark() override;
  absl::Status Wait(uint64_t mark) override;

  cudaStream_t stream() const { return lanes_.work.get(); }
  const cudaDeviceProp& properties() const { return properties_; }

  // Whether work still runs; makes this device the thread's current one.
  bool Ready();
  // Keeps the first failure.
  void Check(std::string_view work, cudaError_t error);

 private:
  // Streams, and events between them.
  struct Lanes {
    CudaStream work;
    CudaStream copies;
    CudaEvent work_so_far;
    CudaEvent copies_so_far;
  };
  CudaDevice(int device, const cudaDeviceProp& properties, Lanes lanes);
  void Capture(const std::function<void()>& body, CudaGraphExec& to);

  const int device_;
  const cudaDeviceProp properties_;
  Lanes lanes_;
  bool copies_pending_ = false;  // begun by CopyBeside and not joined

  // What RunCaptured knows of a key: seen once, it ran op by op; from the second time on it is a graph.
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
