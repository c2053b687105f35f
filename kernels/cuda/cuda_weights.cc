// Start-up of CudaOps: its scratch, and weights as the kernels like them; the model's ops are in cuda_ops.cc.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rounding.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/host_convert.h"

namespace batucada {
namespace {

// Scratch of one op at a time: cuBLASLt's workspace, parts of split attention, summaries of cut scans.
constexpr size_t kWorkspaceBytes = size_t{64} << 20;
constexpr int kNumCounters = 1 << 16;

}  // namespace

CudaOps::CudaOps(std::unique_ptr<CudaDevice> device, std::unique_ptr<Communicator> communicator)
    : device_(std::move(device)), communicator_(std::move(communicator)) {}

CudaOps::~CudaOps() {
  // The scratch must not go while the device still works on it.
  static_cast<void>(cudaStreamSynchronize(target_.stream));
}

absl::StatusOr<std::unique_ptr<CudaOps>> CudaOps::Create(int index, std::unique_ptr<Communicator> communicator) {
  absl::StatusOr<std::unique_ptr<CudaDevice>> opened = CudaDevice::Open(index);
  if (!opened.ok()) return opened.status();
  CudaDevice& device = **opened;
  absl::StatusOr<Buffer> workspace = device.Allocate(kWorkspaceBytes, "the kernels' workspace");
  if (!workspace.ok()) return workspace.status();
  absl::StatusOr<Buffer> counters = device.Allocate(kNumCounters * sizeof(uint32_t), "the kernels' counters");
  if (!counters.ok()) return counters.status();
  absl::StatusOr<std::unique_ptr<cuda::MatMulPlans>> plans = cuda::MatMulPlans::Create();
  if (!plans.ok()) return plans.status();
  std::unique_ptr<CudaOps> ops(new CudaOps(*std::move(opened), std::move(communicator)));
  ops->workspace_ = *std::move(workspace);
  ops->counters_ = *std::move(counters);
  ops->plans_ = *std::move(plans);
  const cudaDeviceProp& properties = device.properties();
  ops->target_ = {.stream = device.stream(),
                  .multiprocessors = properties.multiProcessorCount,
                  .hopper = properties.major == 9 && properties.minor == 0,
                  .workspace = ops->workspace_.data(),
                  .workspace_bytes = kWorkspaceBytes,
                  .counters = ops->counters_.As<uint32_t>(),
                  .num_counters = kNumCounters};
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(device.stream()), absl::StrCat("start cuda:", index));
  return ops;
}

absl::StatusOr<std::unique_ptr<Ops>> MakeCudaOps(int device, std::unique_ptr<Communicator> communicator) {
  absl::StatusOr<std::unique_ptr<CudaOps>> ops = CudaOps::Create(device, std::move(communicator));
  if (!ops.ok()) return ops.status();
  return *std::move(ops);
}

void CudaOps::Refuse(std::string_view op, std::string_view why) {
  Check(op, absl::InvalidArgumentError(std::string(why)));
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
  if (!Ready()) return status();
  if (parts.empty()) return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": no parts to stack"));
  const auto padded = [](int64_t n, int64_t pad) { return RoundUp(n, std::max<int64_t>(pad, 1)); };
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
  absl::StatusOr<Buffer> storage = device_->Allocate(bytes, what);
  if (!storage.ok()) return storage.status();
  m.storage = *std::move(storage);
  device_->CopyToDevice(m.storage.data(), packed.data(), bytes);
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(target_.stream), what);
  if (!status().ok()) return status();
  return m;
}

absl::StatusOr<Buffer> CudaOps::LoadFloats(const HostTensor& t, std::string_view what) {
  if (!Ready()) return status();
  std::vector<float> values(static_cast<size_t>(t.rows * t.cols));
  if (absl::Status s = cuda::ConvertToFloat(t, values.data()); !s.ok()) return s;
  absl::StatusOr<Buffer> storage = device_->Allocate(values.size() * sizeof(float), what);
  if (!storage.ok()) return storage.status();
  device_->CopyToDevice(storage->data(), values.data(), values.size() * sizeof(float));
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(target_.stream), what);
  if (!status().ok()) return status();
  return storage;
}

}  // namespace batucada
