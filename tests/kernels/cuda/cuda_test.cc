#include "tests/kernels/cuda/cuda_test.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>

namespace batucada {

std::unique_ptr<Ops> CudaTest::ops_;
absl::Status CudaTest::unavailable_;

uint16_t ToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float FromBf16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

void CudaTest::SetUpTestSuite() {
  absl::StatusOr<std::unique_ptr<Ops>> ops = MakeCudaOps(0);
  unavailable_ = ops.status();
  if (ops.ok()) ops_ = *std::move(ops);
}

void CudaTest::TearDownTestSuite() { ops_.reset(); }

void CudaTest::SetUp() {
  if (!unavailable_.ok()) GTEST_SKIP() << "no GPU to test on: " << unavailable_.message();
  const char* fixed = std::getenv("BATUCADA_TEST_SEED");
  const uint64_t seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  random_.seed(seed);
}

void CudaTest::Finish() {
  const absl::Status status = ops_->Wait(ops_->Record());
  ASSERT_TRUE(status.ok()) << status;
}

Dense CudaTest::Random(int64_t rows, int64_t cols, double deviation, DType dtype) {
  Dense m(rows, cols);
  std::normal_distribution<double> normal(0, deviation);
  for (double& v : m.values) {
    const float f = static_cast<float>(normal(random_));
    v = dtype == DType::kBf16 ? FromBf16(ToBf16(f)) : f;
  }
  return m;
}

int32_t CudaTest::RandomInt(int32_t low, int32_t high) {
  return std::uniform_int_distribution<int32_t>(low, high)(random_);
}

DeviceTensor CudaTest::Poisoned(int64_t rows, int64_t cols, DType dtype, int64_t extra_stride) {
  const int64_t stride = cols + extra_stride;
  const std::vector<uint8_t> poison(static_cast<size_t>(rows * stride) * SizeOf(dtype), 0xff);  // NaN in fp32 and bf16
  DeviceTensor t;
  t.storage = UploadVector(poison);
  t.view = {.data = t.storage.data(), .dtype = dtype, .rows = rows, .cols = cols, .stride = stride};
  return t;
}

DeviceTensor CudaTest::Upload(const Dense& values, DType dtype, int64_t extra_stride) {
  DeviceTensor t = Poisoned(values.rows, values.cols, dtype, extra_stride);
  std::vector<uint8_t> bytes(t.storage.bytes(), 0xff);
  for (int64_t r = 0; r < values.rows; ++r) {
    for (int64_t c = 0; c < values.cols; ++c) {
      const float f = static_cast<float>(values.At(r, c));
      const size_t at = static_cast<size_t>(r * t.view.stride + c) * SizeOf(dtype);
      const uint16_t half = ToBf16(f);
      std::memcpy(&bytes[at], dtype == DType::kBf16 ? static_cast<const void*>(&half) : &f, SizeOf(dtype));
    }
  }
  ops_->CopyToDevice(t.storage.data(), bytes.data(), bytes.size());
  Finish();
  return t;
}

Dense CudaTest::Download(const Tensor& t) {
  const size_t count = static_cast<size_t>((t.rows - 1) * t.stride + t.cols);
  Dense m(t.rows, t.cols);
  const auto fill = [&](const auto& values, auto convert) {
    for (int64_t r = 0; r < t.rows; ++r) {
      for (int64_t c = 0; c < t.cols; ++c) m.At(r, c) = convert(values[static_cast<size_t>(r * t.stride + c)]);
    }
  };
  if (t.dtype == DType::kBf16) {
    fill(DownloadVector<uint16_t>(t.data, count), FromBf16);
  } else {
    fill(DownloadVector<float>(t.data, count), [](float v) { return v; });
  }
  return m;
}

DeviceBatch CudaTest::MakeBatch(const std::vector<Part>& parts, int32_t num_decode, int32_t num_slots,
                                int32_t table_width) {
  DeviceBatch b;
  b.parts = parts;
  b.slots.resize(static_cast<size_t>(num_slots));
  std::iota(b.slots.begin(), b.slots.end(), 0);
  std::shuffle(b.slots.begin(), b.slots.end(), random_);
  b.slots.resize(parts.size());
  b.table.resize(parts.size() * static_cast<size_t>(table_width));
  std::iota(b.table.begin(), b.table.end(), 0);
  std::shuffle(b.table.begin(), b.table.end(), random_);
  std::vector<int32_t> positions, row_sequence, start;
  BatchView& v = b.view;
  for (size_t i = 0; i < parts.size(); ++i) {
    b.first_row.push_back(static_cast<int32_t>(positions.size()));
    start.push_back(parts[i].start);
    for (int32_t r = 0; r < parts[i].rows; ++r) {
      positions.push_back(parts[i].start + r);
      row_sequence.push_back(static_cast<int32_t>(i));
    }
    v.max_context = std::max(v.max_context, parts[i].start + parts[i].rows);
    if (static_cast<int32_t>(i) >= num_decode) v.max_chunk = std::max(v.max_chunk, parts[i].rows);
  }
  b.first_row.push_back(static_cast<int32_t>(positions.size()));
  v.num_tokens = static_cast<int32_t>(positions.size());
  v.num_sequences = static_cast<int32_t>(parts.size());
  v.num_decode = num_decode;
  v.table_width = table_width;
  const auto upload = [&](const std::vector<int32_t>& values) {
    b.storage.push_back(UploadVector(values));
    return b.storage.back().As<const int32_t>();
  };
  v.positions = upload(positions);
  v.row_sequence = upload(row_sequence);
  v.first_row = upload(b.first_row);
  v.start = upload(start);
  v.slot = upload(b.slots);
  v.block_table = upload(b.table);
  return b;
}

}  // namespace batucada
