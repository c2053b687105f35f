// The surroundings of ops: memory, errors that name their op and stay, recording.
#include <gtest/gtest.h>

#include <limits>

#include "tests/kernels/cpu_fixture.h"

namespace batucada::testing {
namespace {

using CpuOpsInterfaceTest = CpuOpsTest;

TEST_F(CpuOpsInterfaceTest, DescribesTheDevice) {
  const DeviceInfo info = ops->Info();
  EXPECT_EQ(info.name.find("cpu: "), 0u) << info.name;
  EXPECT_NE(info.name.find("2 threads"), std::string::npos) << info.name;
  EXPECT_GT(info.total_bytes, size_t{1} << 20);
  EXPECT_LE(info.free_bytes, info.total_bytes);
  EXPECT_EQ(ops->activation_dtype(), DType::kF32);
  EXPECT_EQ(ops->max_steps_in_flight(), 1);
}

TEST_F(CpuOpsInterfaceTest, AllocatesZeroedMemoryAndRefusesMoreThanThereIs) {
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{4} << 20}) {
    const absl::StatusOr<Buffer> buffer = ops->Allocate(bytes, "some");
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(buffer->bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
    for (size_t i = 0; i < bytes; i += 61) EXPECT_EQ(buffer->As<uint8_t>()[i], 0);
  }
  for (size_t bytes : {size_t{1} << 50, std::numeric_limits<size_t>::max()}) {
    const absl::Status status = ops->Allocate(bytes, "the moon").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_NE(status.message().find("the moon"), std::string::npos) << status;
  }
}

TEST_F(CpuOpsInterfaceTest, RefusesBadMatrices) {
  const float values[6] = {};
  const HostTensor good = {values, DType::kF32, 2, 3};
  const auto load = [&](std::vector<HostTensor> parts) { return ops->LoadMatrix(parts, 1, 1, "w.weight").status(); };
  EXPECT_TRUE(load({good, good}).ok());
  for (const absl::Status& status :
       {load({}), load({{values, DType::kI64, 2, 3}}), load({good, {values, DType::kF32, 3, 2}}),
        load({{nullptr, DType::kF32, 2, 3}}), load({{values, DType::kF32, 0, 3}})}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("w.weight"), std::string::npos) << status;
  }
  EXPECT_TRUE(ops->status().ok()) << "a refused load is not a failed op";
  EXPECT_FALSE(ops->LoadFloats({values, DType::kI32, 2, 3}, "table").ok());
}

TEST_F(CpuOpsInterfaceTest, TheFirstFailureStaysAndStopsLaterOps) {
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
  EXPECT_EQ(ops->Wait(ops->Record()), failure);
  EXPECT_EQ(*norm.view().As<float>(), 0);
}

TEST_F(CpuOpsInterfaceTest, EveryOpNamesItself) {
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
  EXPECT_EQ(failure([&](Ops& o) { o.MatMulSwiGlu(weights, none, none, none); }).find("mat_mul_swiglu:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.GatherRows(none, nullptr, none); }).find("gather_rows:"), 0u);
  EXPECT_EQ(failure([&](Ops& o) { o.Sample(none, 1, nullptr, {}, nullptr, nullptr); }).find("sample:"), 0u);
}

TEST_F(CpuOpsInterfaceTest, IdsOutsideTheTableAreAnErrorNotACrash) {
  const Matrix table = LoadWeights(*ops, random.Normals(8, 4), DType::kBf16);
  const Batch batch(*ops, {{.rows = 2}});
  const Buffer ids = OnDevice<int32_t>(*ops, {3, 8});
  BatchView view = batch.view();
  view.token_ids = ids.As<int32_t>();
  DeviceTensor out(*ops, 2, 4, DType::kF32);
  ops->Embed(table, view, out.view());
  EXPECT_NE(ops->status().message().find("row 1 has id 8"), std::string::npos) << ops->status();
}

TEST_F(CpuOpsInterfaceTest, RunRecordedRunsItsBodyEachTime) {
  int runs = 0;
  for (uint64_t key : {0u, 7u, 7u}) ops->RunRecorded(key, [&] { ++runs; });
  EXPECT_EQ(runs, 3);
  const uint64_t mark = ops->Record();
  EXPECT_GT(ops->Record(), mark);
}

TEST(MakeCpuOpsTest, ThreadsFromZeroToMany) {
  EXPECT_TRUE(MakeCpuOps(0).ok());
  EXPECT_EQ(MakeCpuOps(-1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeCpuOps(1 << 20).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace batucada::testing
