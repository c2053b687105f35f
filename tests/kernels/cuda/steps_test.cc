// Steps on CUDA: recorded graphs against eager runs, marks, memory and its errors.
#include <cstring>

#include "tests/kernels/cuda/cuda_test.h"

namespace batucada {
namespace {

using StepsTest = CudaTest;

// The layers of a small decode step, of which every kind of op is recorded: norm, product, attention, residual.
TEST_F(StepsTest, ReplayEqualsEager) {
  const int32_t heads = 4, kv_heads = 2, head_dim = 64, block_tokens = 16, table_width = 8, width = 256;
  const int32_t qkv_cols = (heads + 2 * kv_heads) * head_dim;
  std::vector<float> weights;
  for (const double v : Random(qkv_cols, width, 0.1, DType::kBf16).values) weights.push_back(static_cast<float>(v));
  const HostTensor qkv_host{weights.data(), DType::kF32, qkv_cols, width};
  const HostTensor out_host{weights.data(), DType::kF32, width, heads * head_dim};
  const Matrix qkv_weight = *ops().LoadMatrix({{qkv_host}}, 1, 1, "qkv");
  const Matrix out_weight = *ops().LoadMatrix({{out_host}}, 1, 1, "out");
  const DeviceTensor norm_weight = Upload(Random(1, width, 1, DType::kF32), DType::kF32);
  const size_t block_elements = size_t{2} * kv_heads * block_tokens * head_dim;

  // Three steps of three sequences, each at its next position; inputs change between replays at fixed addresses.
  const int32_t rows = 3;
  std::vector<Dense> inputs;
  for (int step = 0; step < 4; ++step) inputs.push_back(Random(rows, width, 1, DType::kF32));
  std::vector<Dense> results[2];
  for (const bool recorded : {false, true}) {
    DeviceBatch b = MakeBatch({{1, 0}, {1, 50}, {1, 99}}, rows, rows, table_width);
    const Buffer pool = *ops().Allocate(b.table.size() * block_elements * 2, "pool");  // zeros: the history
    const DeviceTensor x = Poisoned(rows, width, DType::kF32), normed = Poisoned(rows, width, DType::kBf16);
    const DeviceTensor qkv = Poisoned(rows, qkv_cols, DType::kBf16),
                       mixed = Poisoned(rows, heads * head_dim, DType::kBf16);
    const auto body = [&] {
      ops().RmsNorm(x.view, norm_weight.view.As<float>(), 1e-5f, normed.view);
      ops().MatMul(qkv_weight, normed.view, qkv.view);
      ops().Attention(b.view, {.qkv = qkv.view,
                               .kv = {.k = pool.data(),
                                      .v = pool.As<uint16_t>() + block_elements / 2,
                                      .block_stride = static_cast<int64_t>(block_elements),
                                      .block_tokens = block_tokens},
                               .heads = heads,
                               .kv_heads = kv_heads,
                               .head_dim = head_dim,
                               .window = 100,
                               .rope_theta = 10000,
                               .out = mixed.view});
      ops().MatMulAdd(out_weight, mixed.view, x.view);
    };
    for (int step = 0; step < 4; ++step) {
      const std::vector<int32_t> positions = {step, 50 + step, 99 + step};
      ops().CopyToDevice(const_cast<int32_t*>(b.view.positions), positions.data(), sizeof(int32_t) * positions.size());
      ops().CopyToDevice(const_cast<int32_t*>(b.view.start), positions.data(), sizeof(int32_t) * positions.size());
      std::vector<float> in(inputs[static_cast<size_t>(step)].values.begin(),
                            inputs[static_cast<size_t>(step)].values.end());
      ops().CopyToDevice(x.view.data, in.data(), in.size() * sizeof(float));
      if (recorded) {
        ops().RunRecorded(77, body);
      } else {
        body();
      }
      Finish();
      results[recorded ? 1 : 0].push_back(Download(x.view));
    }
  }
  for (size_t step = 0; step < 4; ++step) {
    EXPECT_EQ(reference::RelativeError(results[1][step], results[0][step]), 0) << "step " << step;
    EXPECT_GT(reference::RelativeError(results[0][step], inputs[step]), 0.01) << "the step did nothing";
  }
}

TEST_F(StepsTest, MarksAreReachedInOrder) {
  const Buffer device = *ops().Allocate(1 << 20, "bytes");
  const Buffer host = *ops().AllocateHost(1 << 20, "bytes");
  uint64_t last = 0;
  for (int i = 1; i <= 20; ++i) {
    std::memset(host.data(), i, host.bytes());
    ops().CopyToDevice(device.data(), host.data(), host.bytes());
    const uint64_t mark = ops().Record();
    EXPECT_GT(mark, last);
    last = mark;
    ASSERT_TRUE(ops().Wait(i % 3 == 0 ? mark : ops().Record()).ok());
  }
  EXPECT_TRUE(ops().Wait(last).ok());  // long past
  EXPECT_EQ(DownloadVector<uint8_t>(device.data(), device.bytes()), std::vector<uint8_t>(1 << 20, 20));
}

TEST_F(StepsTest, NewMemoryIsZero) {
  const Buffer dirty = UploadVector(std::vector<uint8_t>(1 << 20, 0xab));
  { const Buffer freed = UploadVector(std::vector<uint8_t>(1 << 22, 0xab)); }
  const Buffer fresh = *ops().Allocate(1 << 22, "zeros");
  EXPECT_EQ(DownloadVector<uint8_t>(fresh.data(), fresh.bytes()), std::vector<uint8_t>(1 << 22, 0));
}

TEST_F(StepsTest, TooLargeAnAllocationIsRefusedAndTheDeviceGoesOn) {
  const absl::StatusOr<Buffer> buffer = ops().Allocate(size_t{1} << 50, "the moon");
  ASSERT_EQ(buffer.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(buffer.status().message().find("the moon"), std::string::npos) << buffer.status();
  EXPECT_TRUE(ops().status().ok());
  EXPECT_TRUE(ops().Allocate(1024, "a little").ok());
}

TEST_F(StepsTest, InfoNamesTheDevice) {
  const DeviceInfo info = ops().Info();
  EXPECT_EQ(info.name.rfind("cuda:0 ", 0), 0u) << info.name;
  EXPECT_GT(info.total_bytes, info.free_bytes);
  EXPECT_GT(info.free_bytes, 0u);
  EXPECT_EQ(ops().activation_dtype(), DType::kBf16);
}

// Runs everywhere: with a device there is none of this number, without one the reason says so.
TEST(CudaDeviceTest, DevicesThatDoNotExistAreUnavailable) {
  for (const int device : {-1, 1000}) {
    const absl::StatusOr<std::unique_ptr<Ops>> ops = MakeCudaOps(device);
    ASSERT_EQ(ops.status().code(), absl::StatusCode::kUnavailable) << ops.status();
    EXPECT_FALSE(ops.status().message().empty());
  }
}

}  // namespace
}  // namespace batucada
