// What computes: its memory, copies between it and the host, marks in the order of its work, CUDA graphs. No
// mathematics: that is Ops (kernels/ops.h), of which each has a Device of its own.
//
// Contract
//  - Work (copies, and the ops of whoever owns the device) runs in the order it is asked for, asynchronously where the
//    device is: results are visible to the host after Synchronize(). Pointers passed in must stay valid until then.
//  - A failure makes status() non-OK with the name of the work that failed; later work does nothing.
//  - Used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/buffer.h"

namespace batucada {

struct DeviceInfo {
  std::string name;        // "cpu: Intel … (AVX3, 2 threads)", "cuda:0 NVIDIA H200"
  size_t total_bytes = 0;  // memory of the device
  size_t free_bytes = 0;   // what is free now
};

// One of many copies that are one operation: `bytes` from `from` to `to`, each in memory of Allocate or AllocateHost.
struct CopyPiece {
  void* to = nullptr;
  const void* from = nullptr;
  size_t bytes = 0;
};

class Device {
 public:
  Device() = default;
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual DeviceInfo Info() const = 0;
  // How many steps may be in flight at once: 1 where work runs to completion, 2 where it is asynchronous.
  virtual int max_steps_in_flight() const = 0;

  // --- memory -------------------------------------------------------------------------------------------------------
  // Zeroed device memory; `what` names it in the error. RESOURCE_EXHAUSTED if there is not enough.
  virtual absl::StatusOr<Buffer> Allocate(size_t bytes, std::string_view what) = 0;
  // Zeroed host memory that copies to and from the device run fast from (pinned on CUDA).
  virtual absl::StatusOr<Buffer> AllocateHost(size_t bytes, std::string_view what) = 0;
  // Nobody needs what these bytes of Allocate's or AllocateHost's hold: until they are written again they may read as
  // anything. Where memory is resident as it is used, it goes back to the system.
  virtual void Discard(void* /*data*/, size_t /*bytes*/) {}

  // --- copies -------------------------------------------------------------------------------------------------------
  virtual void CopyToDevice(void* device, const void* host, size_t bytes) = 0;
  virtual void CopyToHost(void* host, const void* device, size_t bytes) = 0;
  virtual void CopyOnDevice(void* to, const void* from, size_t bytes) = 0;
  // All pieces as one operation, in whatever directions they go: one kernel launch for every kMaxCopyPieces of them on
  // CUDA, shared by all threads on the CPU. No piece may write what another one reads or writes. Any alignment; fast
  // where addresses are multiples of 16 bytes. The list itself is read before this returns.
  virtual void CopyPieces(std::span<const CopyPiece> pieces) = 0;
  // The same beside the work that follows: begins after all work so far, and only what comes after JoinCopies() waits
  // for it. By the copy engines on CUDA, so that nobody computes the slower. Where work runs to completion, CopyPieces.
  virtual void CopyBeside(std::span<const CopyPiece> pieces) { CopyPieces(pieces); }
  virtual void JoinCopies() {}

  // --- CUDA graphs --------------------------------------------------------------------------------------------------
  // Whether RunCaptured captures.
  virtual bool CapturesGraphs() const { return false; }
  // Runs `body`, a fixed sequence of work; a device with graphs captures it once per key and replays it afterwards.
  // The body must depend on nothing but the key and memory at fixed addresses. key 0: never captured.
  virtual void RunCaptured(uint64_t key, const std::function<void()>& body) = 0;
  // The next run of each key is captured anew: bodies may have changed.
  virtual void ForgetCaptured() {}
  // Decode steps of `rows` rows are padded to this many, so that few graphs serve all batch sizes; `rows` itself where
  // nothing is captured.
  virtual int32_t PaddedDecodeRows(int32_t rows) const { return rows; }

  // --- marks --------------------------------------------------------------------------------------------------------
  // A mark in the order of work, and waiting until everything before it has finished. Wait returns the first failure of
  // any work so far, whether found at launch or on the device; after a failure the device is unusable. Marks grow.
  virtual uint64_t PlaceMark() = 0;
  virtual absl::Status Wait(uint64_t mark) = 0;

  // Waits for all work so far.
  absl::Status Synchronize() { return Wait(PlaceMark()); }

  const absl::Status& status() const { return status_; }
  // Notes that `work` failed, unless something failed before.
  void Fail(std::string_view work, const absl::Status& why);

 private:
  absl::Status status_;
};

}  // namespace batucada
