// The host's memory and cores as a Device. Work runs to completion before it returns.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "kernels/cpu/thread_pool.h"
#include "kernels/device.h"

namespace batucada {

class CpuDevice final : public Device {
 public:
  CpuDevice(int threads, Residency residency);  // threads >= 1

  ThreadPool& pool() { return pool_; }

  DeviceInfo Info() const override;
  int max_steps_in_flight() const override { return 1; }

  absl::StatusOr<Buffer> Allocate(size_t bytes, std::string_view what) override;
  absl::StatusOr<Buffer> AllocateHost(size_t bytes, std::string_view what) override;
  void Discard(void* data, size_t bytes) override;
  void CopyToDevice(void* device, const void* host, size_t bytes) override;
  void CopyToHost(void* host, const void* device, size_t bytes) override;
  void CopyOnDevice(void* to, const void* from, size_t bytes) override;
  void CopyPieces(std::span<const CopyPiece> pieces) override;

  void RunCaptured(uint64_t key, const std::function<void()>& body) override;
  uint64_t PlaceMark() override { return ++marks_; }
  absl::Status Wait(uint64_t mark) override;

 private:
  const Residency residency_;
  ThreadPool pool_;
  uint64_t marks_ = 0;
};

}  // namespace batucada
