#include "kernels/cuda/uploader.h"

#include <utility>

#include "kernels/cuda/check.h"

namespace batucada {

absl::StatusOr<std::unique_ptr<Uploader>> Uploader::Create(CudaDevice& device) {
  std::unique_ptr<Uploader> uploader(new Uploader(device));
  for (Slot& slot : uploader->slots_) {
    absl::StatusOr<Buffer> memory = device.AllocateHost(kBufferBytes, "weights on their way to the device");
    if (!memory.ok()) return memory.status();
    slot.memory = *std::move(memory);
    absl::StatusOr<CudaEvent> event = MakeCudaEvent(EventTiming::kNone);
    if (!event.ok()) return event.status();
    slot.copied = *std::move(event);
  }
  return uploader;
}

Uploader::~Uploader() {
  // The buffers must not go while the device still reads them.
  static_cast<void>(cudaStreamSynchronize(device_.stream()));
}

absl::StatusOr<std::span<char>> Uploader::NextBuffer() {
  Slot& slot = slots_[next_];
  // An event that was never recorded is done.
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaEventSynchronize(slot.copied.get()), "wait for weights on their way");
  return std::span<char>(slot.memory.As<char>(), kBufferBytes);
}

absl::Status Uploader::Copy(void* to, std::span<const char> from) {
  device_.CopyToDevice(to, from.data(), from.size());
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaEventRecord(slots_[next_].copied.get(), device_.stream()), "mark weights");
  next_ = (next_ + 1) % kBuffers;
  return device_.status();
}

}  // namespace batucada
