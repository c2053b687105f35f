// Start-up, memory, weights and steps of CudaOps; the model's ops are in cuda_ops.cc.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/host_convert.h"

namespace batucada {
namespace {

// Scratch of one op at a time: cuBLASLt's workspace, parts of split attention, summaries of cut scans.
constexpr size_t kWorkspaceBytes = size_t{64} << 20;
constexpr int kNumCounters = 1 << 16;

}  // namespace

CudaOps::CudaOps(int device, std::string name, CudaStream stream)
    : device_(device), name_(std::move(name)), stream_(std::move(stream)) {}

CudaOps::~CudaOps() {
  // Buffers must not go while the device still works on them.
  if (stream_) static_cast<void>(cudaStreamSynchronize(stream_.get()));
}

absl::StatusOr<std::unique_ptr<CudaOps>> CudaOps::Create(int device) {
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
  absl::StatusOr<CudaStream> stream = MakeCudaStream();
  if (!stream.ok()) return stream.status();
  std::unique_ptr<CudaOps> ops(
      new CudaOps(device, absl::StrCat("cuda:", device, " ", properties.name), *std::move(stream)));
  const cudaStream_t s = ops->stream_.get();
  absl::StatusOr<Buffer> workspace = AllocateDeviceMemory(kWorkspaceBytes, "the kernels' workspace", s);
  if (!workspace.ok()) return workspace.status();
  absl::StatusOr<Buffer> counters = AllocateDeviceMemory(kNumCounters * sizeof(uint32_t), "the kernels' counters", s);
  if (!counters.ok()) return counters.status();
  absl::StatusOr<std::unique_ptr<cuda::MatMulPlans>> plans = cuda::MatMulPlans::Create();
  if (!plans.ok()) return plans.status();
  ops->workspace_ = *std::move(workspace);
  ops->counters_ = *std::move(counters);
  ops->plans_ = *std::move(plans);
  ops->target_ = {.stream = s,
                  .multiprocessors = properties.multiProcessorCount,
                  .hopper = properties.major == 9 && properties.minor == 0,
                  .workspace = ops->workspace_.data(),
                  .workspace_bytes = kWorkspaceBytes,
                  .counters = ops->counters_.As<uint32_t>(),
                  .num_counters = kNumCounters};
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(s), absl::StrCat("start cuda:", device));
  return ops;
}

absl::StatusOr<std::unique_ptr<Ops>> MakeCudaOps(int device) {
  absl::StatusOr<std::unique_ptr<CudaOps>> ops = CudaOps::Create(device);
  if (!ops.ok()) return ops.status();
  return *std::move(ops);
}

DeviceInfo CudaOps::Info() const {
  DeviceInfo info{.name = name_};
  static_cast<void>(cudaMemGetInfo(&info.free_bytes, &info.total_bytes));
  return info;
}

bool CudaOps::Ready() {
  thread_local int current = -1;
  if (current != device_) {
    Check("select the device", cudaSetDevice(device_));
    current = device_;
  }
  return status_.ok();
}

void CudaOps::Check(std::string_view op, cudaError_t error) {
  if (error != cudaSuccess && status_.ok()) status_ = CudaStatus(error, op);
}

void CudaOps::Check(std::string_view op, const absl::Status& status) {
  if (!status.ok() && status_.ok())
    status_ = absl::Status(status.code(), absl::StrCat(std::string(op), ": ", status.message()));
}

void CudaOps::Refuse(std::string_view op, std::string_view why) {
  Check(op, absl::InvalidArgumentError(std::string(why)));
}

// --- memory
// -----------------------------------------------------------------------------------------------------------

absl::StatusOr<Buffer> CudaOps::Allocate(size_t bytes, std::string_view what) {
  if (!Ready()) return status_;
  return AllocateDeviceMemory(bytes, what, stream_.get());
}

absl::StatusOr<Buffer> CudaOps::AllocateHost(size_t bytes, std::string_view what) {
  if (!Ready()) return status_;
  absl::StatusOr<Buffer> buffer = AllocatePinnedMemory(bytes, what);
  if (buffer.ok() && bytes > 0) std::memset(buffer->data(), 0, bytes);
  return buffer;
}

void CudaOps::CopyToDevice(void* device, const void* host, size_t bytes) {
  if (!Ready() || bytes == 0) return;
  Check("copy to the device", cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_.get()));
}

void CudaOps::CopyToHost(void* host, const void* device, size_t bytes) {
  if (!Ready() || bytes == 0) return;
  Check("copy to the host", cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_.get()));
}

void CudaOps::CopyOnDevice(void* to, const void* from, size_t bytes) {
  if (!Ready() || bytes == 0) return;
  Check("copy on the device", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_.get()));
}

absl::StatusOr<Matrix> CudaOps::LoadMatrix(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                           std::string_view what) {
  return LoadParts(parts, pad_rows, pad_cols, Order::kStacked, what);
}

absl::StatusOr<Matrix> CudaOps::LoadGateUp(const HostTensor& gate, const HostTensor& up, int64_t pad_rows,
                                           std::string_view what) {
  if (gate.rows != up.rows) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": gate has ", gate.rows, " rows, up ", up.rows));
  }
  return LoadParts(std::array{gate, up}, pad_rows, 1, Order::kWoven, what);
}

absl::StatusOr<Matrix> CudaOps::LoadParts(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                          Order order, std::string_view what) {
  if (!Ready()) return status_;
  if (parts.empty()) return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": no parts to stack"));
  const auto padded = [](int64_t n, int64_t pad) { return pad > 1 ? (n + pad - 1) / pad * pad : n; };
  Matrix m{.storage = {}, .dtype = DType::kBf16, .out = 0, .in = padded(parts[0].cols, pad_cols)};
  for (const HostTensor& part : parts) {
    if (part.cols != parts[0].cols) {
      return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": parts of ", parts[0].cols, " and ",
                                                     part.cols, " columns cannot be stacked"));
    }
    m.out += padded(part.rows, pad_rows);
  }
  const size_t bytes = static_cast<size_t>(m.out * m.in) * sizeof(uint16_t);
  std::vector<uint16_t> packed(static_cast<size_t>(m.out * m.in), 0);
  const int64_t step = order == Order::kWoven ? static_cast<int64_t>(parts.size()) : 1;  // rows from one to the next
  int64_t first = 0;
  for (const HostTensor& part : parts) {
    for (int64_t r = 0; r < part.rows; ++r) {
      uint16_t* const to = packed.data() + (first + r * step) * m.in;
      if (absl::Status s = cuda::ConvertToBf16(part, r * part.cols, part.cols, to); !s.ok()) return s;
    }
    first += order == Order::kWoven ? 1 : padded(part.rows, pad_rows);
  }
  absl::StatusOr<Buffer> storage = Allocate(bytes, what);
  if (!storage.ok()) return storage.status();
  m.storage = *std::move(storage);
  CopyToDevice(m.storage.data(), packed.data(), bytes);
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(stream_.get()), what);
  if (!status_.ok()) return status_;
  return m;
}

absl::StatusOr<Buffer> CudaOps::LoadFloats(const HostTensor& t, std::string_view what) {
  if (!Ready()) return status_;
  std::vector<float> values(static_cast<size_t>(t.rows * t.cols));
  if (absl::Status s = cuda::ConvertToFloat(t, values.data()); !s.ok()) return s;
  absl::StatusOr<Buffer> storage = Allocate(values.size() * sizeof(float), what);
  if (!storage.ok()) return storage.status();
  CopyToDevice(storage->data(), values.data(), values.size() * sizeof(float));
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(stream_.get()), what);
  if (!status_.ok()) return status_;
  return storage;
}

// --- steps
// ------------------------------------------------------------------------------------------------------------

int32_t CudaOps::PaddedDecodeRows(int32_t rows) const {
  const uint32_t power = std::bit_floor(static_cast<uint32_t>(rows));
  const auto step = static_cast<int32_t>(power < 8 ? power : std::max(8U, power / 8));
  return (rows + step - 1) / step * step;
}

void CudaOps::RunRecorded(uint64_t key, const std::function<void()>& body) {
  if (!Ready()) return;
  if (key == 0) return body();
  // The first time runs op by op: it loads kernels and finds plans, which a recording must not do, and its results
  // count.
  const auto [entry, is_new] = graphs_.try_emplace(key);
  if (is_new) return body();
  CudaGraphExec& graph = entry->second;
  if (!graph) Capture(body, graph);
  if (graph && status_.ok()) Check("replay a step", cudaGraphLaunch(graph.get(), stream_.get()));
}

void CudaOps::Capture(const std::function<void()>& body, CudaGraphExec& to) {
  Check("start recording a step", cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal));
  if (!status_.ok()) return;
  body();
  cudaGraph_t recorded = nullptr;
  Check("record a step", cudaStreamEndCapture(stream_.get(), &recorded));
  const CudaGraph graph(recorded);
  if (!status_.ok()) return;
  cudaGraphExec_t executable = nullptr;
  Check("prepare a recorded step", cudaGraphInstantiate(&executable, graph.get(), 0));
  to = CudaGraphExec(executable);
}

uint64_t CudaOps::Record() {
  if (!Ready()) return 0;
  CudaEvent event;
  if (!spare_events_.empty()) {
    event = std::move(spare_events_.front());
    spare_events_.pop_front();
  } else {
    absl::StatusOr<CudaEvent> made = MakeCudaEvent(EventTiming::kNone);
    Check("record a mark", made.status());
    if (!made.ok()) return 0;
    event = *std::move(made);
  }
  Check("record a mark", cudaEventRecord(event.get(), stream_.get()));
  marks_.push_back({next_mark_, std::move(event)});
  return next_mark_++;
}

absl::Status CudaOps::Wait(uint64_t mark) {
  if (!Ready()) return status_;
  while (!marks_.empty() && marks_.front().id <= mark) {
    Check("the device", cudaEventSynchronize(marks_.front().event.get()));
    spare_events_.push_back(std::move(marks_.front().event));
    marks_.pop_front();
  }
  return status_;
}

}  // namespace batucada
