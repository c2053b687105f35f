// Devices: memory and its errors, copies of many pieces, marks, CUDA graphs against work that is launched op by op.
#include <cstring>
#include <limits>

#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

class DeviceTest : public OpTest {
 protected:
  Device& device() { return ops->device(); }
  // The buffer's bytes, once all work is done. Host memory is just read.
  std::vector<uint8_t> Bytes(const Buffer& buffer, bool on_host = false) {
    std::vector<uint8_t> bytes(buffer.bytes());
    if (!on_host) device().CopyToHost(bytes.data(), buffer.data(), bytes.size());
    const absl::Status status = device().Synchronize();
    EXPECT_TRUE(status.ok()) << status;
    if (on_host && !bytes.empty()) std::memcpy(bytes.data(), buffer.data(), bytes.size());
    return bytes;
  }
  void Write(const Buffer& buffer, const std::vector<uint8_t>& bytes, bool on_host) {
    if (on_host && !bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
    if (!on_host) device().CopyToDevice(buffer.data(), bytes.data(), bytes.size());
    ASSERT_TRUE(device().Synchronize().ok());
  }
  std::vector<uint8_t> RandomBytes(size_t count) {
    std::vector<uint8_t> bytes(count);
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(random.Bits());
    return bytes;
  }
};

TEST_F(DeviceTest, DescribesItself) {
  const DeviceInfo info = device().Info();
  EXPECT_NE(info.name.find(act == DType::kF32 ? "cpu: " : "cuda:0 "), std::string::npos) << info.name;
  EXPECT_GT(info.total_bytes, size_t{1} << 20);
  EXPECT_GT(info.free_bytes, 0u);
  EXPECT_LE(info.free_bytes, info.total_bytes);
  EXPECT_EQ(device().max_steps_in_flight(), device().CapturesGraphs() ? 2 : 1);
}

TEST_F(DeviceTest, NewMemoryIsZeroAndAligned) {
  for (const bool on_host : {false, true}) {
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{1} << 20, (size_t{4} << 20) + 100}) {
      const auto allocate = [&] {
        return on_host ? device().AllocateHost(bytes, "some") : device().Allocate(bytes, "some");
      };
      {
        const Buffer dirty = allocate().value();
        Write(dirty, std::vector<uint8_t>(bytes, 0xab), on_host);
      }
      const absl::StatusOr<Buffer> fresh = allocate();
      ASSERT_TRUE(fresh.ok()) << fresh.status();
      EXPECT_EQ(fresh->bytes(), bytes);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(fresh->data()) % 64, 0u);
      EXPECT_EQ(Bytes(*fresh, on_host), std::vector<uint8_t>(bytes, 0));
    }
  }
}

TEST_F(DeviceTest, TooLargeAnAllocationIsRefusedAndTheDeviceGoesOn) {
  for (const size_t bytes : {size_t{1} << 50, std::numeric_limits<size_t>::max()}) {
    const absl::Status status = device().Allocate(bytes, "the moon").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_NE(status.message().find("the moon"), std::string::npos) << status;
  }
  EXPECT_TRUE(device().status().ok());
  EXPECT_TRUE(device().Allocate(1024, "a little").ok());
}

TEST_F(DeviceTest, MarksAreReachedInOrder) {
  const Buffer on_device = device().Allocate(1 << 20, "bytes").value();
  const Buffer host = device().AllocateHost(1 << 20, "bytes").value();
  uint64_t last = 0;
  for (int i = 1; i <= 20; ++i) {
    std::memset(host.data(), i, host.bytes());
    device().CopyToDevice(on_device.data(), host.data(), host.bytes());
    const uint64_t mark = device().PlaceMark();
    EXPECT_GT(mark, last);
    last = mark;
    ASSERT_TRUE(device().Wait(i % 3 == 0 ? mark : device().PlaceMark()).ok());
  }
  EXPECT_TRUE(device().Wait(last).ok());  // long past
  EXPECT_EQ(Bytes(on_device), std::vector<uint8_t>(1 << 20, 20));
}

// Pieces of any length and alignment, between any two kinds of memory; more of them than one launch takes; beside the
// work that follows, too. What lies between the pieces stays.
TEST_F(DeviceTest, CopiesPieces) {
  constexpr size_t kBytes = 3 << 20;
  for (const bool beside : {false, true}) {
    for (const size_t count : {size_t{1}, size_t{7}, size_t{128}, size_t{129}, size_t{300}}) {
      SCOPED_TRACE(::testing::Message() << count << " pieces" << (beside ? " beside" : ""));
      // [device, host] each.
      Buffer from[2] = {device().Allocate(kBytes, "from").value(), device().AllocateHost(kBytes, "from").value()};
      Buffer to[2] = {device().Allocate(kBytes, "to").value(), device().AllocateHost(kBytes, "to").value()};
      std::vector<uint8_t> sources[2], expected[2];
      for (int kind = 0; kind < 2; ++kind) {
        sources[kind] = RandomBytes(kBytes);
        expected[kind].assign(kBytes, 0);
        Write(from[kind], sources[kind], /*on_host=*/kind == 1);
      }
      std::vector<CopyPiece> pieces;
      const size_t share = kBytes / count;
      for (size_t i = 0; i < count; ++i) {
        const auto step = static_cast<size_t>(1 << (i % 5));  // alignment of this piece
        const auto below = [&](size_t n) { return static_cast<size_t>(random.Bits() % std::max<size_t>(n, 1)); };
        const size_t at = i * share + below(share / 4) / step * step;
        const size_t source = below(kBytes - share) / step * step;
        const size_t bytes = i % 11 == 10 ? 0 : below(share / 2) + 1;
        const int out = static_cast<int>(random.Bits() % 2), in = static_cast<int>(random.Bits() % 2);
        pieces.push_back({to[out].As<char>() + at, from[in].As<char>() + source, bytes});
        std::copy_n(sources[in].begin() + static_cast<int64_t>(source), bytes,
                    expected[out].begin() + static_cast<int64_t>(at));
      }
      if (beside) {
        device().CopyBeside(pieces);
        device().JoinCopies();
      } else {
        device().CopyPieces(pieces);
      }
      pieces.assign(pieces.size(), {});  // the list is read before the call returns
      EXPECT_EQ(Bytes(to[0]), expected[0]);
      EXPECT_EQ(Bytes(to[1], /*on_host=*/true), expected[1]);
    }
  }
  device().CopyPieces({});
  device().JoinCopies();  // of none
  EXPECT_TRUE(device().Synchronize().ok());
}

// Copies come after the work before them and before the work after them.
TEST_F(DeviceTest, CopiesAreInTheOrderOfWork) {
  const Dense first = Floats(1, 4096), second = Floats(1, 4096);
  const Buffer ones = FloatsOnDevice(*ops, std::vector<double>(4096, 1));
  for (const bool beside : {false, true}) {
    DeviceTensor in(*ops, first, DType::kF32), normed(*ops, 1, 4096, act), kept(*ops, 1, 4096, act);
    const DeviceTensor again(*ops, second, DType::kF32);
    const size_t bytes = 4096 * SizeOf(act);
    for (int round = 0; round < 20; ++round) {
      device().CopyOnDevice(in.view().data, round % 2 == 0 ? again.view().data : in.view().data, 4096 * sizeof(float));
      ops->RmsNorm(in.view(), ones.As<float>(), 1e-5f, normed.view());
      const CopyPiece piece = {kept.view().data, normed.view().data, bytes};
      beside ? device().CopyBeside({&piece, 1}) : device().CopyPieces({&piece, 1});
      device().JoinCopies();
      ops->RmsNorm(in.view(), ones.As<float>(), 2.5f, normed.view());  // over what the copy has read
    }
    EXPECT_LT(reference::RelativeError(kept.Download(), reference::RmsNorm(second, std::vector<double>(4096, 1), 1e-5)),
              traits.act_tolerance);
  }
}

// The parts of a small decode step, of which every kind of op is captured: norm, product, attention, residual.
TEST_F(DeviceTest, ReplayEqualsEager) {
  const int32_t heads = 4, kv_heads = 2, head_dim = 64, width = 256, rows = 3;
  const int64_t qkv_cols = (heads + 2 * kv_heads) * head_dim;
  const Matrix qkv_weight =
      LoadWeights(*ops, Rounded(random.Normals(qkv_cols, width, 0.1), DType::kBf16), DType::kBf16);
  const Matrix out_weight =
      LoadWeights(*ops, Rounded(random.Normals(width, heads * head_dim, 0.1), DType::kBf16), DType::kBf16);
  const Buffer norm_weight = FloatsOnDevice(*ops, Floats(1, width).values);
  // Four steps of three sequences, each at its next position; inputs change between replays at fixed addresses.
  std::vector<Dense> inputs;
  for (int step = 0; step < 4; ++step) inputs.push_back(Floats(rows, width));
  std::vector<Dense> results[2];
  const KvBlocks kv(*ops, random, rows, 8, 16, kv_heads, head_dim);
  for (const bool captured : {false, true}) {
    const Batch batch(*ops,
                      {{.slot = 0, .start = 0, .decode = true},
                       {.slot = 1, .start = 0, .decode = true},
                       {.slot = 2, .start = 0, .decode = true}},
                      kv.tables());
    DeviceTensor x(*ops, rows, width, DType::kF32), normed(*ops, rows, width, act), qkv(*ops, rows, qkv_cols, act);
    DeviceTensor mixed(*ops, rows, heads * head_dim, act);
    int runs = 0;
    const auto body = [&] {
      ++runs;
      ops->RmsNorm(x.view(), norm_weight.As<float>(), 1e-5f, normed.view());
      ops->MatMul(qkv_weight, normed.view(), qkv.view());
      ops->Attention(batch.view(), {.qkv = qkv.view(),
                                    .kv = kv.view(),
                                    .heads = heads,
                                    .kv_heads = kv_heads,
                                    .head_dim = head_dim,
                                    .window = 100,
                                    .rope = {.theta = 10000},
                                    .out = mixed.view()});
      ops->MatMulAdd(out_weight, mixed.view(), x.view());
    };
    for (int32_t step = 0; step < 4; ++step) {
      const std::vector<int32_t> positions(rows, step);
      const size_t bytes = sizeof(int32_t) * positions.size();
      device().CopyToDevice(const_cast<int32_t*>(batch.view().positions), positions.data(), bytes);
      device().CopyToDevice(const_cast<int32_t*>(batch.view().start), positions.data(), bytes);
      x.Upload(inputs[static_cast<size_t>(step)]);
      captured ? device().RunCaptured(77, body) : body();
      results[captured ? 1 : 0].push_back(x.Download());
    }
    EXPECT_EQ(runs, captured && device().CapturesGraphs() ? 2 : 4);  // op by op once, captured once, then replayed
    device().RunCaptured(0, body);                                   // key 0 is never captured
    device().RunCaptured(0, body);
    device().RunCaptured(0, body);
    EXPECT_EQ(runs, captured && device().CapturesGraphs() ? 5 : 7);
    ASSERT_TRUE(device().Synchronize().ok());
  }
  for (size_t step = 0; step < 4; ++step) {
    EXPECT_EQ(results[1][step].values, results[0][step].values) << "step " << step;
    EXPECT_GT(reference::RelativeError(results[0][step], inputs[step]), 0.01) << "the step did nothing";
  }
}

TEST_F(DeviceTest, FewGraphsServeAllDecodeSteps) {
  int graphs = 0;
  for (int32_t rows = 1; rows <= 256; ++rows) {
    const int32_t padded = device().PaddedDecodeRows(rows);
    EXPECT_GE(padded, rows);
    EXPECT_LE(padded, std::max(rows + 7, rows + rows / 8));
    if (padded == rows) ++graphs;
  }
  EXPECT_EQ(graphs, device().CapturesGraphs() ? 27 : 256);
}

}  // namespace
}  // namespace batucada::testing
