// Start-up of CudaOps: its scratch, and weights as the kernels like them; the model's ops are in cuda_ops.cc.
#include <algorithm>
#include <array>
#include <cstring>
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

absl::StatusOr<std::unique_ptr<CudaOps>> CudaOps::Create(int index, RowMath rows,
                                                         std::unique_ptr<Communicator> communicator) {
  absl::StatusOr<std::unique_ptr<CudaDevice>> opened = CudaDevice::Open(index);
  if (!opened.ok()) return opened.status();
  CudaDevice& device = **opened;
  const cudaDeviceProp& properties = device.properties();
  const bool hopper = properties.major == 9 && properties.minor == 0;
  if (rows == RowMath::kSameInAnyBatch && !hopper) {
    return absl::UnimplementedError(
        absl::StrCat("the same bits in any batch are for GPUs of compute capability 9.0 "
                     "(H100, H200); this one has ",
                     properties.major, ".", properties.minor));
  }
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
  ops->target_ = {.stream = device.stream(),
                  .multiprocessors = properties.multiProcessorCount,
                  .batch_invariant = rows == RowMath::kSameInAnyBatch,
                  .hopper = hopper,
                  .workspace = ops->workspace_.data(),
                  .workspace_bytes = kWorkspaceBytes,
                  .counters = ops->counters_.As<uint32_t>(),
                  .num_counters = kNumCounters};
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(device.stream()), absl::StrCat("start cuda:", index));
  return ops;
}

absl::StatusOr<std::unique_ptr<Ops>> MakeCudaOps(int device, RowMath rows, std::unique_ptr<Communicator> communicator) {
  absl::StatusOr<std::unique_ptr<CudaOps>> ops = CudaOps::Create(device, rows, std::move(communicator));
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

absl::Status CudaOps::ReadyToLoad() {
  if (!Ready()) return status();
  if (uploader_ != nullptr) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<Uploader>> made = Uploader::Create(*device_);
  if (!made.ok()) return made.status();
  uploader_ = *std::move(made);
  return absl::OkStatus();
}

absl::Status CudaOps::FinishLoading() {
  if (!Ready()) return status();
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(target_.stream), "load the weights");
  uploader_.reset();
  return status();
}

absl::StatusOr<Matrix> CudaOps::LoadParts(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                          Order order, std::string_view what) {
  if (absl::Status s = ReadyToLoad(); !s.ok()) return s;
  if (parts.empty()) return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": no parts to stack"));
  const auto padded = [](int64_t n, int64_t pad) { return RoundUp(n, std::max<int64_t>(pad, 1)); };
  Matrix m{.storage = {}, .dtype = DType::kBf16, .out = 0, .in = padded(parts[0].cols, pad_cols)};
  std::vector<int64_t> ends;  // behind the last row of each part, where they are stacked
  for (const HostTensor& part : parts) {
    if (part.cols != parts[0].cols) {
      return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": parts of ", parts[0].cols, " and ",
                                                     part.cols, " columns cannot be stacked"));
    }
    m.out += padded(part.rows, pad_rows);
    ends.push_back(m.out);
  }
  const size_t row_bytes = static_cast<size_t>(m.in) * sizeof(uint16_t);
  if (row_bytes == 0 || row_bytes > Uploader::kBufferBytes) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(what), " has ", m.in, " columns, from 1 to ",
                                                   Uploader::kBufferBytes / sizeof(uint16_t), " are supported"));
  }
  const size_t bytes = static_cast<size_t>(m.out) * row_bytes;
  absl::StatusOr<Buffer> storage = device_->Allocate(bytes, what);
  if (!storage.ok()) return storage.status();
  m.storage = *std::move(storage);

  const auto count = static_cast<int64_t>(parts.size());
  size_t at = 0;  // the part of the row below, where they are stacked
  const auto fill_row = [&](int64_t row, uint16_t* to) -> absl::Status {
    int64_t of_part = 0;
    if (order == Order::kWoven) {
      at = static_cast<size_t>(row % count);
      of_part = row / count;
    } else {
      while (row >= ends[at]) ++at;  // rows come in order
      of_part = row - (at == 0 ? 0 : ends[at - 1]);
    }
    const HostTensor& part = parts[at];
    const int64_t filled = of_part < part.rows ? part.cols : 0;
    std::fill(to + filled, to + m.in, uint16_t{0});
    return filled == 0 ? absl::OkStatus() : cuda::ConvertToBf16(part, of_part * part.cols, part.cols, to);
  };
  const auto fill = [&](size_t first, std::span<char> piece) -> absl::Status {
    for (size_t done = 0; done < piece.size(); done += row_bytes) {
      const auto row = static_cast<int64_t>((first + done) / row_bytes);
      if (absl::Status s = fill_row(row, reinterpret_cast<uint16_t*>(piece.data() + done)); !s.ok()) return s;
    }
    return absl::OkStatus();
  };
  if (absl::Status s = uploader_->Send(m.storage.data(), bytes, row_bytes, fill); !s.ok()) return s;
  return m;
}

absl::StatusOr<Buffer> CudaOps::LoadFloats(const HostTensor& t, std::string_view what) {
  if (absl::Status s = ReadyToLoad(); !s.ok()) return s;
  std::vector<float> values(static_cast<size_t>(t.rows * t.cols));
  if (absl::Status s = cuda::ConvertToFloat(t, values.data()); !s.ok()) return s;
  const size_t bytes = values.size() * sizeof(float);
  absl::StatusOr<Buffer> storage = device_->Allocate(bytes, what);
  if (!storage.ok()) return storage.status();
  const auto fill = [&](size_t first, std::span<char> piece) {
    std::memcpy(piece.data(), reinterpret_cast<const char*>(values.data()) + first, piece.size());
    return absl::OkStatus();
  };
  if (absl::Status s = uploader_->Send(storage->data(), bytes, sizeof(float), fill); !s.ok()) return s;
  return storage;
}

}  // namespace batucada
