// Causal convolution and selective scan on CUDA: ragged batches, states handed over from chunk to chunk, mixed with
// decode rows, at any width, against the fp64 references.
#include <string>

#include "tests/kernels/cuda/cuda_test.h"

namespace batucada {
namespace {

constexpr int64_t kStates = 16;

// The slots of two layers, of which layer 1 is under test: slot s of it holds {ssm [E, 16] fp32, conv [E, 3] bf16}.
struct Slots {
  Buffer storage;
  RecurrentView view;
  int64_t channels;
};

class RecurrentTest : public CudaTest {
 protected:
  Slots MakeSlots(int32_t count, int64_t channels) {
    const int64_t layer_bytes = channels * (kStates * 4 + 3 * 2 + 10);  // 10: layers need not be packed tightly
    Slots s{.storage = {}, .view = {}, .channels = channels};
    s.view.slot_bytes = 2 * layer_bytes;
    s.storage = UploadVector(std::vector<uint8_t>(static_cast<size_t>(count * s.view.slot_bytes), 0xff));
    char* const layer = s.storage.As<char>() + layer_bytes;
    s.view.ssm = reinterpret_cast<float*>(layer);
    s.view.conv = layer + channels * kStates * 4;
    return s;
  }
  Tensor Ssm(const Slots& s, int32_t slot) {
    return {reinterpret_cast<char*>(s.view.ssm) + slot * s.view.slot_bytes, DType::kF32, s.channels, kStates, kStates};
  }
  Tensor Conv(const Slots& s, int32_t slot) {
    return {static_cast<char*>(s.view.conv) + slot * s.view.slot_bytes, DType::kBf16, s.channels, 3, 3};
  }

  // Runs one batch on states of which the references keep a copy, by part; parts that start at 0 begin from zero, and
  // their slots hold NaN until then.
  void CheckConv(int64_t channels, const DeviceBatch& b, Slots& slots, std::vector<Dense>& states) {
    const int64_t rows = b.view.num_tokens;
    const Dense x = Random(rows, channels, 1, DType::kBf16), weight = Random(channels, 4, 0.5, DType::kF32);
    const Dense bias = Random(1, channels, 0.5, DType::kF32);
    const DeviceTensor x_in = Upload(x, DType::kBf16, channels), w = Upload(weight, DType::kF32);
    const DeviceTensor bias_in = Upload(bias, DType::kF32), out = Poisoned(rows, channels, DType::kBf16, 4);
    ops().CausalConv(b.view, {.x = x_in.view,
                              .weight = w.view.As<float>(),
                              .bias = bias_in.view.As<float>(),
                              .state = slots.view,
                              .out = out.view});
    Finish();
    const Dense got = Download(out.view);
    for (size_t i = 0; i < b.parts.size(); ++i) {
      SCOPED_TRACE("part " + std::to_string(i) + ", " + std::to_string(b.parts[i].rows) + " rows");
      const Dense expected =
          reference::CausalConv(x.RowRange(b.first_row[i], b.parts[i].rows), weight, bias.values, states[i]);
      EXPECT_CLOSE(got.RowRange(b.first_row[i], b.parts[i].rows), expected, 1e-2);
      const Dense state = Download(Conv(slots, b.slots[i]));
      for (size_t e = 0; e < state.values.size(); ++e) ASSERT_EQ(state.values[e], states[i].values[e]) << "state";
    }
  }

  // `rank`: dt is dt_low · dt_projᵀ of that many columns; 0: dt is given.
  void CheckScan(int64_t channels, const DeviceBatch& b, Slots& slots, std::vector<Dense>& states, int64_t extra,
                 int64_t rank = 0) {
    const int64_t rows = b.view.num_tokens;
    reference::ScanInputs in{.x = Random(rows, channels, 1, DType::kBf16),
                             .dt = Random(rows, channels, 2, DType::kBf16),
                             .z = Random(rows, channels, 1, DType::kBf16),
                             .b = Random(rows, kStates, 1, DType::kBf16),
                             .c = Random(rows, kStates, 1, DType::kBf16),
                             .a = Random(channels, kStates, 1, DType::kF32),
                             .d = Random(1, channels, 1, DType::kF32).values,
                             .dt_bias = Random(1, channels, 1, DType::kF32).values};
    for (double& a : in.a.values) a = static_cast<float>(-0.05 - std::abs(a));
    for (int64_t e = 0; e < channels; ++e)
      in.dt_bias[static_cast<size_t>(e)] -= 3;  // as trained: small steps, long memory
    if (rows > 1) in.dt.At(rows / 2, 0) = 40;   // softplus is linear there
    const auto vector = [&](const std::vector<double>& v) {
      return UploadVector(std::vector<float>(v.begin(), v.end()));
    };
    Matrix dt_proj;
    DeviceTensor dt_low;
    if (rank > 0) {
      const Dense low = Random(rows, rank, 1, DType::kBf16), w = Random(channels, rank, 0.2, DType::kBf16);
      const std::vector<float> values(w.values.begin(), w.values.end());
      const HostTensor host{values.data(), DType::kF32, channels, rank};
      dt_proj = *ops().LoadMatrix({{host}}, 1, 1, "dt_proj");
      dt_low = Upload(low, DType::kBf16, 16 + extra);
      in.dt = reference::MatMul(w, low);
    }
    const DeviceTensor dt =
        rank > 0 ? Poisoned(rows, channels, DType::kBf16, extra) : Upload(in.dt, DType::kBf16, extra);
    const DeviceTensor x = Upload(in.x, DType::kBf16, extra);
    const DeviceTensor z = Upload(in.z, DType::kBf16, extra), bt = Upload(in.b, DType::kBf16, extra);
    const DeviceTensor ct = Upload(in.c, DType::kBf16, extra), out = Poisoned(rows, channels, DType::kBf16, extra);
    const Buffer a = vector(in.a.values), d = vector(in.d), bias = vector(in.dt_bias);
    ops().SelectiveScan(b.view, {.x = x.view,
                                 .dt = dt.view,
                                 .dt_low = dt_low.view,
                                 .dt_proj = rank > 0 ? &dt_proj : nullptr,
                                 .b = bt.view,
                                 .c = ct.view,
                                 .z = z.view,
                                 .a = a.As<float>(),
                                 .d = d.As<float>(),
                                 .dt_bias = bias.As<float>(),
                                 .state = slots.view,
                                 .d_state = kStates,
                                 .out = out.view});
    Finish();
    const Dense got = Download(out.view);
    for (size_t i = 0; i < b.parts.size(); ++i) {
      const int64_t first = b.first_row[i], count = b.parts[i].rows;
      SCOPED_TRACE("part " + std::to_string(i) + ", " + std::to_string(count) + " rows");
      reference::ScanInputs part = in;
      part.x = in.x.RowRange(first, count);
      part.dt = in.dt.RowRange(first, count);
      part.z = in.z.RowRange(first, count);
      part.b = in.b.RowRange(first, count);
      part.c = in.c.RowRange(first, count);
      EXPECT_CLOSE(got.RowRange(first, count), reference::SelectiveScan(part, states[i]), 1e-2);
      // dt is rounded to bf16 where it is a product of its own.
      EXPECT_CLOSE(Download(Ssm(slots, b.slots[i])), states[i], rank > 0 ? 1e-2 : 1e-4);
    }
  }
};

// Three passes over the same sequences: fresh prompts, then their continuation mixed with decode rows, then decode
// alone. The slots of a sequence change place between passes only in the test's numbering: they are copied on the
// device.
TEST_F(RecurrentTest, ConvHandsItsStateOver) {
  for (const int64_t channels : {4, 36, 768, 1000}) {
    SCOPED_TRACE(std::to_string(channels) + " channels");
    Slots slots = MakeSlots(9, channels);
    std::vector<Dense> states(6, Dense(channels, 3));
    const DeviceBatch fresh = MakeBatch({{1, 0}, {2, 0}, {3, 0}, {4, 0}, {33, 0}, {130, 0}}, 0, 9);
    CheckConv(channels, fresh, slots, states);
    DeviceBatch mixed = MakeBatch({{1, 1}, {1, 2}, {1, 3}, {2, 4}, {40, 33}, {31, 130}}, 2, 9);
    mixed.storage.push_back(UploadVector(fresh.slots));
    mixed.slots = fresh.slots;
    mixed.view.slot = mixed.storage.back().As<int32_t>();
    CheckConv(channels, mixed, slots, states);
    CheckConv(channels, mixed, slots, states);
    DeviceBatch decode = MakeBatch(std::vector<Part>(6, {1, 500}), 6, 9);
    decode.slots = fresh.slots;
    decode.view.slot = mixed.view.slot;
    CheckConv(channels, decode, slots, states);
    CheckConv(channels, decode, slots, states);
  }
}

TEST_F(RecurrentTest, ScanHandsItsStateOver) {
  for (const int64_t channels : {8, 40, 768, 1000}) {
    for (const int64_t extra : {0, 3, 8}) {  // 3: rows that are not aligned
      SCOPED_TRACE(std::to_string(channels) + " channels, stride + " + std::to_string(extra));
      Slots slots = MakeSlots(9, channels);
      std::vector<Dense> states(5, Dense(channels, kStates));
      const DeviceBatch fresh = MakeBatch({{1, 0}, {3, 0}, {31, 0}, {33, 0}, {100, 0}}, 0, 9);
      CheckScan(channels, fresh, slots, states, extra);
      DeviceBatch mixed = MakeBatch({{1, 1}, {1, 3}, {1, 31}, {64, 33}, {29, 100}}, 2, 9);
      mixed.storage.push_back(UploadVector(fresh.slots));
      mixed.slots = fresh.slots;
      mixed.view.slot = mixed.storage.back().As<int32_t>();
      CheckScan(channels, mixed, slots, states, extra);
      DeviceBatch decode = MakeBatch(std::vector<Part>(5, {1, 500}), 5, 9);
      decode.slots = fresh.slots;
      decode.view.slot = mixed.view.slot;
      CheckScan(channels, decode, slots, states, extra);
    }
  }
}

// dt from its low rank: within the step for decode rows, as a product of its own for prompts and where ranks are large
// or rows not aligned.
TEST_F(RecurrentTest, ScanMakesItsTimeSteps) {
  for (const int64_t rank : {8, 24, 96, 128, 144, 256, 264}) {
    for (const int64_t extra : {0, 3, 8}) {
      SCOPED_TRACE("rank " + std::to_string(rank) + ", stride + " + std::to_string(extra));
      const int64_t channels = 200;
      Slots slots = MakeSlots(30, channels);
      std::vector<Dense> states(25, Dense(channels, kStates));
      std::vector<Part> parts(25, {1, 0});
      parts[24].rows = 37;
      const DeviceBatch fresh = MakeBatch(parts, 24, 30);
      CheckScan(channels, fresh, slots, states, extra, rank);
      for (Part& part : parts) part = {1, part.rows};
      DeviceBatch decode = MakeBatch(parts, 25, 30);
      decode.slots = fresh.slots;
      decode.view.slot = fresh.view.slot;
      CheckScan(channels, decode, slots, states, extra, rank);
      DeviceBatch few = MakeBatch(std::vector<Part>(3, {1, 40}), 3, 30);
      few.slots = fresh.slots;
      few.view.slot = fresh.view.slot;
      CheckScan(channels, few, slots, states, extra, rank);
    }
  }
}

// Few channels and many rows: the time axis is cut, with and without a state to start from, beside a short sequence.
TEST_F(RecurrentTest, ScanCutsLongPromptsInTime) {
  const int64_t channels = 64;
  Slots slots = MakeSlots(4, channels);
  std::vector<Dense> states(2, Dense(channels, kStates));
  const DeviceBatch fresh = MakeBatch({{2000, 0}, {45, 0}}, 0, 4);
  CheckScan(channels, fresh, slots, states, 0);
  DeviceBatch next = MakeBatch({{1501, 2000}, {7, 45}}, 0, 4);
  next.slots = fresh.slots;
  next.view.slot = fresh.view.slot;
  CheckScan(channels, next, slots, states, 0);
}

// Enough decode rows that a block takes several.
TEST_F(RecurrentTest, ScanStepsManyDecodeRows) {
  const int64_t channels = 2048;
  Slots slots = MakeSlots(45, channels);
  std::vector<Dense> states(42, Dense(channels, kStates));
  const DeviceBatch fresh = MakeBatch(std::vector<Part>(42, {1, 0}), 42, 45);
  CheckScan(channels, fresh, slots, states, 0);
  DeviceBatch next = MakeBatch(std::vector<Part>(42, {1, 1}), 42, 45);
  next.slots = fresh.slots;
  next.view.slot = fresh.view.slot;
  CheckScan(channels, next, slots, states, 0);
}

TEST_F(RecurrentTest, WidthsThatCannotBeServedAreRefused) {
  absl::StatusOr<std::unique_ptr<Ops>> own = MakeCudaOps(0);  // a refusal stays
  ASSERT_TRUE(own.ok());
  const DeviceBatch b = MakeBatch({{1, 0}}, 0, 1);
  const DeviceTensor x = Poisoned(1, 12, DType::kBf16);
  (*own)->SelectiveScan(b.view, {.x = x.view, .dt = x.view, .b = x.view, .c = x.view, .z = x.view, .out = x.view});
  EXPECT_EQ((*own)->status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE((*own)->status().message().find("selective_scan"), std::string::npos) << (*own)->status();
  EXPECT_EQ((*own)->Wait((*own)->Record()).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace batucada
