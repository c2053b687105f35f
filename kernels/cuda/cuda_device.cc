#include "kernels/cuda/cuda_device.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rounding.h"
#include "kernels/cuda/copy_pieces.h"

namespace batucada {

namespace {

// Thread blocks that copy: all a device has room for.
constexpr int kCopyBlocksPerMultiprocessor = 2;

}  // namespace

CudaDevice::CudaDevice(int device, const cudaDeviceProp& properties, Lanes lanes)
    : device_(device), properties_(properties), lanes_(std::move(lanes)) {}

CudaDevice::~CudaDevice() {
  // Buffers must not go while the device still works on them.
  for (const CudaStream* stream : {&lanes_.work, &lanes_.copies}) {
    static_cast<void>(cudaStreamSynchronize(stream->get()));
  }
}

absl::StatusOr<std::unique_ptr<CudaDevice>> CudaDevice::Open(int device) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return absl::UnavailableError(absl::StrCat("no CUDA device: ", cudaGetErrorString(error)));
  }
  if (device < 0 || device >= count) {
    return absl::UnavailableError(absl::StrCat("no CUDA device ", device, ": this machine has ", count));
  }
  cudaDeviceProp properties{};
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaGetDeviceProperties(&properties, device), "read the device's properties");
  if (properties.major < 8) {
    return absl::UnavailableError(absl::StrCat("cuda:", device, " ", properties.name, " has compute capability ",
                                               properties.major, ".", properties.minor, "; 8.0 or later is needed"));
  }
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaSetDevice(device), absl::StrCat("open cuda:", device));
  Lanes lanes;
  for (CudaStream* const stream : {&lanes.work, &lanes.copies}) {
    absl::StatusOr<CudaStream> made = MakeCudaStream();
    if (!made.ok()) return made.status();
    *stream = *std::move(made);
  }
  for (CudaEvent* const event : {&lanes.work_so_far, &lanes.copies_so_far}) {
    absl::StatusOr<CudaEvent> made = MakeCudaEvent(EventTiming::kNone);
    if (!made.ok()) return made.status();
    *event = *std::move(made);
  }
  return std::unique_ptr<CudaDevice>(new CudaDevice(device, properties, std::move(lanes)));
}

DeviceInfo CudaDevice::Info() const {
  DeviceInfo info{.name = absl::StrCat("cuda:", device_, " ", properties_.name)};
  static_cast<void>(cudaMemGetInfo(&info.free_bytes, &info.total_bytes));
  return info;
}

bool CudaDevice::Ready() {
  thread_local int current = -1;
  if (current != device_) {
    Check("select the device", cudaSetDevice(device_));
    current = device_;
  }
  return status().ok();
}

void CudaDevice::Check(std::string_view work, cudaError_t error) {
  if (error != cudaSuccess) Fail(work, CudaStatus(error));
}

absl::StatusOr<Buffer> CudaDevice::Allocate(size_t bytes, std::string_view what) {
  if (!Ready()) return status();
  return AllocateDeviceMemory(bytes, what, lanes_.work.get());
}

absl::StatusOr<Buffer> CudaDevice::AllocateHost(size_t bytes, std::string_view what) {
  if (!Ready()) return status();
  absl::StatusOr<Buffer> buffer = AllocatePinnedMemory(bytes, what);
  if (buffer.ok() && bytes > 0) std::memset(buffer->data(), 0, bytes);
  return buffer;
}

void CudaDevice::CopyToDevice(void* device, const void* host, size_t bytes) {
  if (!Ready() || bytes == 0) return;
  Check("copy to the device", cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, lanes_.work.get()));
}

void CudaDevice::CopyToHost(void* host, const void* device, size_t bytes) {
  if (!Ready() || bytes == 0) return;
  Check("copy to the host", cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, lanes_.work.get()));
}

void CudaDevice::CopyOnDevice(void* to, const void* from, size_t bytes) {
  if (!Ready() || bytes == 0) return;
  Check("copy on the device", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, lanes_.work.get()));
}

void CudaDevice::CopyPieces(std::span<const CopyPiece> pieces) {
  if (!Ready()) return;
  const int blocks = kCopyBlocksPerMultiprocessor * properties_.multiProcessorCount;
  while (!pieces.empty()) {
    const size_t count = std::min(pieces.size(), size_t{cuda::kMaxCopyPieces});
    Check("copy pieces", cuda::CopyPieces(pieces.first(count), blocks, lanes_.work.get()));
    pieces = pieces.subspan(count);
  }
}

void CudaDevice::CopyBeside(std::span<const CopyPiece> pieces) {
  if (!Ready()) return;
  std::vector<void*> to;
  std::vector<const void*> from;
  std::vector<size_t> bytes;
  for (const CopyPiece& piece : pieces) {
    if (piece.bytes == 0) continue;
    to.push_back(piece.to);
    from.push_back(piece.from);
    bytes.push_back(piece.bytes);
  }
  if (bytes.empty()) return;
  Check("copy beside", cudaEventRecord(lanes_.work_so_far.get(), lanes_.work.get()));
  Check("copy beside", cudaStreamWaitEvent(lanes_.copies.get(), lanes_.work_so_far.get(), 0));
  // The copy engines: a kernel, however few its thread blocks, would hold multiprocessors that products of a block for
  // each of them wait for.
  cudaMemcpyAttributes attributes{};
  attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
  attributes.flags = cudaMemcpyFlagPreferOverlapWithCompute;
  size_t first = 0;  // of the pieces that the attributes are for: all
  Check("copy beside", cudaMemcpyBatchAsync(to.data(), from.data(), bytes.data(), bytes.size(), &attributes, &first, 1,
                                            lanes_.copies.get()));
  Check("copy beside", cudaEventRecord(lanes_.copies_so_far.get(), lanes_.copies.get()));
  copies_pending_ = true;
}

void CudaDevice::JoinCopies() {
  if (!Ready() || !copies_pending_) return;
  Check("join copies", cudaStreamWaitEvent(lanes_.work.get(), lanes_.copies_so_far.get(), 0));
  copies_pending_ = false;
}

int32_t CudaDevice::PaddedDecodeRows(int32_t rows) const {
  const uint32_t power = std::bit_floor(static_cast<uint32_t>(rows));
  const auto step = static_cast<int32_t>(power < 8 ? power : std::max(8U, power / 8));
  return RoundUp(rows, step);
}

void CudaDevice::RunCaptured(uint64_t key, const std::function<void()>& body) {
  if (!Ready()) return;
  if (key == 0) return body();
  // The first time runs op by op: it loads kernels and finds plans, which a capture must not do, and its results
  // count.
  const auto [entry, is_new] = graphs_.try_emplace(key);
  if (is_new) return body();
  CudaGraphExec& graph = entry->second;
  if (!graph) Capture(body, graph);
  if (graph && status().ok()) Check("launch a CUDA graph", cudaGraphLaunch(graph.get(), lanes_.work.get()));
}

void CudaDevice::Capture(const std::function<void()>& body, CudaGraphExec& to) {
  Check("begin a CUDA graph", cudaStreamBeginCapture(lanes_.work.get(), cudaStreamCaptureModeThreadLocal));
  if (!status().ok()) return;
  body();
  cudaGraph_t captured = nullptr;
  Check("capture a CUDA graph", cudaStreamEndCapture(lanes_.work.get(), &captured));
  const CudaGraph graph(captured);
  if (!status().ok()) return;
  cudaGraphExec_t executable = nullptr;
  Check("instantiate a CUDA graph", cudaGraphInstantiate(&executable, graph.get(), 0));
  to = CudaGraphExec(executable);
}

uint64_t CudaDevice::PlaceMark() {
  if (!Ready()) return 0;
  CudaEvent event;
  if (!spare_events_.empty()) {
    event = std::move(spare_events_.front());
    spare_events_.pop_front();
  } else {
    absl::StatusOr<CudaEvent> made = MakeCudaEvent(EventTiming::kNone);
    Fail("place a mark", made.status());
    if (!made.ok()) return 0;
    event = *std::move(made);
  }
  Check("place a mark", cudaEventRecord(event.get(), lanes_.work.get()));
  marks_.push_back({next_mark_, std::move(event)});
  return next_mark_++;
}

absl::Status CudaDevice::Wait(uint64_t mark) {
  if (!Ready()) return status();
  while (!marks_.empty() && marks_.front().id <= mark) {
    Check("the device", cudaEventSynchronize(marks_.front().event.get()));
    spare_events_.push_back(std::move(marks_.front().event));
    marks_.pop_front();
  }
  return status();
}

}  // namespace batucada
