// What the CPU promises beyond the other devices: errors that name their op and stay, results that are the same on any
// number of threads, functions exact to a few ulps, memory that is resident as it is used, sums over ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "kernels/cpu/host_memory.h"
#include "kernels/cpu/rope.h"
#include "kernels/cpu/silu_gate.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;
using CpuOpsTest = OpTest;

TEST_F(CpuOpsTest, TheFirstFailureStaysAndStopsLaterOps) {
  const Matrix weights = LoadWeights(*ops, random.Normals(8, 4), DType::kF32);
  DeviceTensor in(*ops, random.Normals(2, 4), DType::kF32), wide(*ops, random.Normals(2, 5), DType::kF32);
  DeviceTensor out(*ops, Dense(2, 8), DType::kF32), norm(*ops, Dense(2, 4), DType::kF32);
  const Buffer ones = FloatsOnDevice(*ops, std::vector<double>(5, 1));
  ops->MatMul(weights, in.view(), out.view());
  ASSERT_TRUE(ops->status().ok());
  ops->MatMul(weights, wide.view(), out.view());
  const absl::Status failure = ops->status();
  EXPECT_EQ(failure.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(failure.message().find("matmul"), std::string::npos) << failure;
  EXPECT_NE(failure.message().find("[8, 4]"), std::string::npos) << failure;
  ops->RmsNorm(in.view(), ones.As<float>(), 0, norm.view());  // would be fine, but must not run
  ops->RmsNorm(in.view(), ones.As<float>(), 0, wide.view());  // would fail on its own account
  EXPECT_EQ(ops->status(), failure);
  EXPECT_EQ(ops->device().Synchronize(), failure);
  EXPECT_EQ(*norm.view().As<float>(), 0);
}

TEST_F(CpuOpsTest, EveryOpNamesItself) {
  const auto failure = [&](const std::function<void(Ops&)>& run) {
    const std::unique_ptr<Ops> fresh = MakeCpuOps(1).value();
    run(*fresh);
    return std::string(fresh->status().message());
  };
  const Tensor none;
  const Batch batch(*ops, {{.rows = 2}}, {{0}});
  const Matrix weights = LoadWeights(*ops, random.Normals(8, 4), DType::kF32);
  EXPECT_EQ(failure([&](Ops& o) { o.Embed(weights, batch.view(), none); }).find("embed:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.RmsNorm(none, nullptr, 0, none); }).find("rms_norm:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.MatMul(weights, none, none); }).find("matmul:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.MatMulAdd(weights, none, none); }).find("matmul_add:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.CausalConv(batch.view(), {}); }).find("causal_conv:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.SelectiveScan(batch.view(), {}); }).find("selective_scan:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.Attention(batch.view(), {}); }).find("attention:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.MatMulSwiGlu(weights, none, none, none); }).find("matmul_swiglu:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.GatherRows(none, nullptr, none); }).find("gather_rows:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.Sample(none, 1, nullptr, {}, nullptr, nullptr); }).find("sample:"), 0u);
}

TEST_F(CpuOpsTest, BadMatricesAreRefused) {
  const float values[6] = {};
  const auto load = [&](HostTensor part) { return ops->LoadMatrix({&part, 1}, 1, 1, "w.weight").status(); };
  for (const absl::Status& status :
       {load({values, DType::kI64, 2, 3}), load({nullptr, DType::kF32, 2, 3}), load({values, DType::kF32, 0, 3})}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("w.weight"), std::string::npos) << status;
  }
}

TEST_F(CpuOpsTest, IdsOutsideTheTableAreAnErrorNotACrash) {
  const Matrix table = LoadWeights(*ops, random.Normals(8, 4), DType::kBf16);
  const Batch batch(*ops, {{.rows = 2}});
  const Buffer ids = OnDevice<int32_t>(*ops, {3, 8});
  BatchView view = batch.view();
  view.token_ids = ids.As<int32_t>();
  DeviceTensor out(*ops, 2, 4, DType::kF32);
  ops->Embed(table, view, out.view());
  EXPECT_NE(ops->status().message().find("row 1 has id 8"), std::string::npos) << ops->status();
}

TEST_F(CpuOpsTest, ARingThatCannotHoldTheWindowIsRefused) {
  const KvBlocks kv(*ops, random, 1, 2, 16, 1, 64);
  const Batch fits(*ops, {{.rows = 40}}, kv.tables()), does_not(*ops, {{.start = 40, .rows = 1}}, kv.tables());
  DeviceTensor in(*ops, Acts(40, 3 * 64), act), out(*ops, 40, 64, act);
  const auto attend = [&](const Batch& batch, const DeviceTensor& qkv, const DeviceTensor& to) {
    ops->Attention(batch.view(), {.qkv = qkv.view(),
                                  .kv = kv.view(),
                                  .heads = 1,
                                  .kv_heads = 1,
                                  .head_dim = 64,
                                  .window = 34,
                                  .rope = {},
                                  .out = to.view()});
  };
  attend(fits, in, out);
  ASSERT_TRUE(ops->status().ok());
  DeviceTensor one(*ops, Acts(1, 3 * 64), act), out_one(*ops, 1, 64, act);
  attend(does_not, one, out_one);
  EXPECT_EQ(ops->status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(ops->status().message().find("attention"), std::string::npos);
}

TEST_F(CpuOpsTest, HeadsThatAreNoMultipleOfThoseOfKeysAreRefused) {
  const KvBlocks kv(*ops, random, 1, 2, 16, 2, 64);
  const Batch batch(*ops, {{.rows = 4}}, kv.tables());
  const auto refusal = [&](int32_t heads) {
    const std::unique_ptr<Ops> fresh = MakeCpuOps(1).value();
    DeviceTensor in(*fresh, Acts(4, (heads + 4) * 64), act), out(*fresh, 4, heads * 64, act);
    fresh->Attention(batch.view(), {.qkv = in.view(),
                                    .kv = kv.view(),
                                    .heads = heads,
                                    .kv_heads = 2,
                                    .head_dim = 64,
                                    .window = 8,
                                    .rope = {},
                                    .out = out.view()});
    return std::string(fresh->status().message());
  };
  EXPECT_EQ(refusal(2), "");
  EXPECT_EQ(refusal(4), "");
  EXPECT_NE(refusal(3).find("heads must be a multiple of kv_heads"), std::string::npos) << refusal(3);
}

TEST_F(CpuOpsTest, ResultsAreTheSameOnAnyNumberOfThreads) {
  const Dense in = Floats(470, 1000), logits = Floats(37, 300);
  const Matrix matrix = LoadWeights(*ops, random.Normals(99, 1000), DType::kBf16);
  std::vector<RowSampling> rows(37);
  for (RowSampling& row : rows) row = {.temperature = 1.2f, .seed = random.Bits(), .position = random.Integer(0, 1000)};
  const auto run = [&](int threads) {
    const std::unique_ptr<Ops> o = MakeCpuOps(threads).value();
    DeviceTensor x(*o, in, DType::kF32), out(*o, 470, 99, DType::kF32), sampled(*o, logits, DType::kF32);
    o->MatMul(matrix, x.view(), out.view());
    std::vector<RowSample> samples(37);
    int32_t last_token = 0;
    o->Sample(sampled.view(), 300, rows.data(), {}, samples.data(), &last_token);
    std::vector<double> all = out.Download().values;
    for (const RowSample& sample : samples) all.insert(all.end(), {double(sample.token), double(sample.logprob)});
    return all;
  };
  const std::vector<double> two = run(2);
  for (const int threads : {1, 3, 7}) EXPECT_EQ(run(threads), two) << threads << " threads";
}

// Element by element, so that small values count as much as large ones.
TEST_F(CpuOpsTest, SiluIsAccurateToAFewUlps) {
  ThreadPool pool(2);
  const int64_t count = 20000;
  Dense gate_up(1, 2 * count);
  for (int64_t i = 0; i < count; ++i) {
    gate_up.At(0, i) = -80 + 160.0 * static_cast<double>(i) / static_cast<double>(count - 1);
    gate_up.At(0, count + i) = 1;
  }
  gate_up = Rounded(gate_up, DType::kF32);
  DeviceTensor in(*ops, gate_up, DType::kF32), out(*ops, 1, count, DType::kF32);
  const Tensor halves = in.view();
  SiluGate(halves.Cols(0, out.view().cols), halves.Cols(out.view().cols, out.view().cols), out.view(), pool);
  const Dense result = out.Download(), expected = reference::SwiGlu(gate_up);
  for (int64_t i = 0; i < count; ++i) {
    ASSERT_NEAR(result.At(0, i), expected.At(0, i), 5e-7 * std::abs(expected.At(0, i))) << "at " << gate_up.At(0, i);
  }
}

TEST_F(CpuOpsTest, SwiGluOfAnyWidthAndWithoutOverflow) {
  ThreadPool pool(2);
  for (const int64_t m : {1, 15, 16, 17, 1024, 5000}) {
    const Dense gate_up = Floats(9, 2 * m, 10);
    DeviceTensor in(*ops, gate_up, DType::kF32, 1), out(*ops, 9, m, DType::kF32, 7);
    const Tensor halves = in.view();
    SiluGate(halves.Cols(0, out.view().cols), halves.Cols(out.view().cols, out.view().cols), out.view(), pool);
    EXPECT_LT(RelativeError(out.Download(), reference::SwiGlu(gate_up)), traits.f32_tolerance) << m;
  }
  Dense gate_up(1, 4);
  gate_up.values = {-500, 500, 2, 3};  // silu(-500) = 0 to fp32, silu(500) = 500
  DeviceTensor in(*ops, gate_up, DType::kF32), out(*ops, 1, 2, DType::kF32);
  const Tensor halves = in.view();
  SiluGate(halves.Cols(0, out.view().cols), halves.Cols(out.view().cols, out.view().cols), out.view(), pool);
  const Dense result = out.Download();
  EXPECT_NEAR(result.At(0, 0), 0, 1e-30);
  EXPECT_EQ(result.At(0, 1), 1500);
}

// With one state, B = C = x = 1, D = 0 and h = 0, the output is δ · silu(z): softplus by itself, element by element.
TEST_F(CpuOpsTest, SoftplusIsAccurateToAFewUlps) {
  const int64_t count = 4000;
  reference::ScanInputs in{.x = Dense(1, count),
                           .dt = Dense(1, count),
                           .z = Dense(1, count),
                           .b = Dense(1, 16),
                           .c = Dense(1, 16),
                           .a = Dense(count, 16),
                           .d = {},
                           .dt_bias = {}};
  in.d = in.dt_bias = std::vector<double>(static_cast<size_t>(count));
  for (double& v : in.a.values) v = -1;
  in.b.At(0, 5) = in.c.At(0, 5) = 1;
  for (int64_t e = 0; e < count; ++e) {
    in.x.At(0, e) = 1;
    in.z.At(0, e) = 3;
    in.dt.At(0, e) = -80 + 160.0 * static_cast<double>(e) / static_cast<double>(count - 1);
  }
  in.dt = Rounded(in.dt, DType::kF32);
  RecurrentSlots slots(*ops, 1, count, 16);
  const Batch batch(*ops, {{.rows = 1}});
  DeviceTensor x(*ops, in.x, act), dt(*ops, in.dt, act), z(*ops, in.z, act), b(*ops, in.b, act), c(*ops, in.c, act);
  DeviceTensor out(*ops, 1, count, act);
  const Buffer a = FloatsOnDevice(*ops, in.a.values), zeros = FloatsOnDevice(*ops, in.d);
  ops->SelectiveScan(batch.view(), {.x = x.view(),
                                    .dt = dt.view(),
                                    .b = b.view(),
                                    .c = c.view(),
                                    .z = z.view(),
                                    .a = a.As<float>(),
                                    .d = zeros.As<float>(),
                                    .dt_bias = zeros.As<float>(),
                                    .state = slots.view(),
                                    .out = out.view()});
  Dense h(count, 16);
  const Dense result = out.Download(), expected = reference::SelectiveScan(in, h);
  for (int64_t e = 0; e < count; ++e) {
    ASSERT_NEAR(result.At(0, e), expected.At(0, e), 1e-6 * expected.At(0, e)) << "at " << in.dt.At(0, e);
  }
}

// Memory is reserved at once and resident when written; what was promised and not written counts as taken.
TEST(HostMemoryTest, IsResidentAsItIsUsed) {
  constexpr size_t kBytes = size_t{64} << 20;
  const size_t before = UntouchedHostMemory();
  const Buffer buffer = AllocateHostMemory(kBytes, "a pool").value();
  EXPECT_EQ(UntouchedHostMemory() - before, kBytes);
  std::memset(buffer.data(), 1, kBytes / 2);
  EXPECT_EQ(UntouchedHostMemory() - before, kBytes / 2);
  {
    const Buffer at_once = AllocateHostMemory(kBytes, "weights", Residency::kAtOnce).value();
    EXPECT_EQ(UntouchedHostMemory() - before, kBytes / 2);
    for (size_t i = 0; i < kBytes; i += 4096) ASSERT_EQ(at_once.As<char>()[i], 0);
  }
  for (size_t i = kBytes / 2; i < kBytes; i += 4096) ASSERT_EQ(buffer.As<char>()[i], 0);
}

TEST(HostMemoryTest, WhatWasPromisedIsNotPromisedAgain) {
  const size_t most = QueryHostMemory().free_bytes / 4 * 3;
  const absl::StatusOr<Buffer> first = AllocateHostMemory(most, "a pool");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(absl::IsResourceExhausted(AllocateHostMemory(most, "another").status()));
}

class DiscardTest : public ::testing::Test {
 protected:
  static constexpr size_t kBytes = size_t{64} << 20, kPage = size_t{2} << 20;
  static Buffer Written(Device& device) {
    Buffer buffer = device.Allocate(kBytes, "a pool").value();
    std::memset(buffer.data(), 7, kBytes);
    return buffer;
  }
  // Whether all bytes from `begin` to `end` are `value`.
  static bool Holds(const Buffer& buffer, size_t begin, size_t end, char value) {
    const char* const bytes = buffer.As<char>();
    return std::all_of(bytes + begin, bytes + end, [value](char byte) { return byte == value; });
  }
};

TEST_F(DiscardTest, GivesTheHugePagesInsideBack) {
  const auto ops = MakeCpuOps(1).value();
  const size_t before = UntouchedHostMemory();
  const Buffer buffer = Written(ops->device());
  ASSERT_EQ(UntouchedHostMemory(), before);  // and is known to be resident as a whole
  constexpr size_t kBegin = 3 * kPage + 100, kEnd = kBytes / 2 + 5;
  ops->device().Discard(buffer.As<char>() + kBegin, kEnd - kBegin);
  EXPECT_EQ(UntouchedHostMemory() - before, kBytes / 2 - 4 * kPage);
  EXPECT_TRUE(Holds(buffer, 0, 4 * kPage, 7));
  EXPECT_TRUE(Holds(buffer, kBytes / 2, kBytes, 7));
  EXPECT_TRUE(Holds(buffer, 4 * kPage, kBytes / 2, 0));
  std::memset(buffer.data(), 8, kBytes);
  EXPECT_EQ(UntouchedHostMemory(), before);
  EXPECT_TRUE(Holds(buffer, 0, kBytes, 8));
  for (size_t bytes = 0; bytes < 2 * kPage; bytes += 11'111) ops->device().Discard(buffer.As<char>() + 1, bytes);
  EXPECT_EQ(UntouchedHostMemory() - before, 0u) << "no page lies inside as a whole";
  ops->device().Discard(buffer.data(), kBytes);
  EXPECT_EQ(UntouchedHostMemory() - before, kBytes);
}

TEST_F(DiscardTest, LeavesSmallAllocationsAndWhatIsToBeResident) {
  const auto ops = MakeCpuOps(1).value(), at_once = MakeCpuOps(1, Residency::kAtOnce).value();
  const Buffer buffer = Written(at_once->device());
  at_once->device().Discard(buffer.data(), kBytes);
  EXPECT_TRUE(Holds(buffer, 0, kBytes, 7));
  const Buffer small = ops->device().Allocate(size_t{1} << 20, "a little").value();
  std::memset(small.data(), 7, small.bytes());
  ops->device().Discard(small.data(), small.bytes());
  EXPECT_TRUE(Holds(small, 0, small.bytes(), 7));
}

// Two ranks as two threads of this process, which add up what both bring.
class TwoRanks {
 public:
  class Rank final : public Communicator {
   public:
    Rank(TwoRanks& both, int index) : both_(both), index_(index) {}
    int rank() const override { return index_; }
    int ranks() const override { return 2; }
    void AllReduceSum(Tensor values) override { both_.Sum(values); }
    void AllGatherColumns(Tensor) override {}

   private:
    TwoRanks& both_;
    const int index_;
  };

 private:
  void Sum(Tensor values) {
    std::unique_lock lock(mutex_);
    if (!waiting_) {
      waiting_ = true;
      first_ = values;
      const int round = rounds_;
      arrived_.wait(lock, [&] { return rounds_ != round; });
      return;
    }
    for (int64_t r = 0; r < values.rows; ++r) {
      for (int64_t c = 0; c < values.cols; ++c) {
        float& mine = values.As<float>()[r * values.stride + c];
        float& other = first_.As<float>()[r * first_.stride + c];
        mine = other = mine + other;
      }
    }
    waiting_ = false;
    ++rounds_;
    arrived_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  Tensor first_;
  bool waiting_ = false;
  int rounds_ = 0;
};

TEST_F(CpuOpsTest, AProductSplitByColumnsIsSummedOverRanks) {
  const Dense weights = Rounded(random.Normals(24, 64), DType::kBf16), in = Floats(5, 64), acc = Floats(5, 24);
  const std::vector<double> scale = Floats(1, 24).values;
  Dense expected = reference::MatMul(weights, in);
  for (size_t i = 0; i < expected.values.size(); ++i) expected.values[i] += acc.values[i];
  TwoRanks both;
  std::vector<std::thread> threads;
  Dense sums[2], normed[2];
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      const std::unique_ptr<Ops> o =
          MakeCpuOps(1, Residency::kAsUsed, std::make_unique<TwoRanks::Rank>(both, rank)).value();
      const Matrix part = LoadWeights(*o, weights.ColRange(32 * rank, 32), DType::kBf16);
      const Buffer scale_on_device = FloatsOnDevice(*o, scale);
      // Only rank 0 brings the residual stream; what the other one holds does not matter.
      DeviceTensor x(*o, in.ColRange(32 * rank, 32), DType::kF32), out(*o, 5, 24, DType::kF32);
      DeviceTensor sum(*o, rank == 0 ? acc : Dense(in.ColRange(0, 24)), DType::kF32);
      o->MatMulAddNorm(part, x.view(), sum.view(), {.weight = scale_on_device.As<float>(), .eps = 1e-5f}, out.view());
      sums[rank] = sum.Download();
      normed[rank] = out.Download();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(RelativeError(sums[0], expected), traits.f32_tolerance);
  EXPECT_LT(RelativeError(normed[0], reference::RmsNorm(expected, scale, 1e-5)), traits.f32_tolerance);
  EXPECT_EQ(sums[1].values, sums[0].values);
  EXPECT_EQ(normed[1].values, normed[0].values);
}

// Layers of one model may have several.
TEST(RopeTableTest, AnglesAreOfWhatIsAskedFor) {
  ThreadPool pool(1);
  const int32_t first[] = {3, 4}, second[] = {3, 5};
  struct {
    const int32_t* positions;
    int64_t rows;
    int32_t head_dim;
    float theta;
  } const cases[] = {{first, 2, 8, 1e4F},  {first, 2, 8, 5e5F}, {second, 2, 8, 5e5F},
                     {second, 2, 4, 5e5F}, {first, 1, 4, 5e5F}, {first, 2, 4, 5e5F}};
  RopeTable table;
  for (const auto& [positions, rows, head_dim, theta] : cases) {
    const RopeSpec rope{.theta = theta};
    table.Prepare(positions, rows, head_dim, rope, pool);
    for (int64_t t = 0; t < rows; ++t) {
      for (int32_t i = 0; i < head_dim / 2; ++i) {
        const float angle = static_cast<float>(positions[t]) * RopeFrequency(rope, head_dim, i);
        EXPECT_EQ(table.Row(t)[i], std::cos(angle));
        EXPECT_EQ(table.Row(t)[head_dim / 2 + i], std::sin(angle));
      }
    }
  }
}

TEST(MakeCpuOpsTest, ThreadsFromZeroToMany) {
  EXPECT_TRUE(MakeCpuOps(0).ok());
  EXPECT_EQ(MakeCpuOps(-1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeCpuOps(1 << 20).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace batucada::testing
