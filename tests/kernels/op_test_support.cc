#include "tests/kernels/op_test_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <numeric>

#include "base/float16.h"

namespace batucada::testing {
namespace {

uint64_t Seed() {
  static const uint64_t seed = [] {
    const char* fixed = std::getenv("BATUCADA_TEST_SEED");
    const uint64_t value = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device()();
    std::cout << "BATUCADA_TEST_SEED=" << value << "\n";
    return value;
  }();
  return seed;
}

// Values with |x| in [2^-14, 65504] or 0 only, rounded to eleven significant bits: all that tests of loading need.
uint16_t F16FromFloat(float value) {
  if (value == 0) return 0;
  int exponent = 0;
  const float mantissa = std::frexp(std::abs(value), &exponent);  // [½, 1)
  const auto scaled = static_cast<uint32_t>(std::nearbyint(std::ldexp(mantissa, 11)));
  const auto bits = static_cast<uint32_t>((exponent - 1 + 15) << 10) + (scaled - 1024);
  return static_cast<uint16_t>(bits | (value < 0 ? 0x8000u : 0u));
}

float FloatFromF16(uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const float magnitude = exponent == 0 ? 0.0f : std::ldexp(static_cast<float>(1024 + (bits & 0x3ff)), exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

double RoundTo(double value, DType dtype) {
  const float f = static_cast<float>(value);
  if (dtype == DType::kBf16) return FloatFromBf16(Bf16FromFloat(f));
  if (dtype == DType::kF16) return FloatFromF16(F16FromFloat(f));
  return f;
}

void Encode(double value, DType dtype, void* to) {
  const float f = static_cast<float>(value);
  if (dtype == DType::kF32) {
    std::memcpy(to, &f, 4);
  } else {
    const uint16_t bits = dtype == DType::kBf16 ? Bf16FromFloat(f) : F16FromFloat(f);
    std::memcpy(to, &bits, 2);
  }
}

double Decode(const void* from, DType dtype) {
  if (dtype == DType::kF32) {
    float f;
    std::memcpy(&f, from, 4);
    return f;
  }
  uint16_t bits;
  std::memcpy(&bits, from, 2);
  return FloatFromBf16(bits);
}

const double kPoison = std::numeric_limits<double>::quiet_NaN();

std::vector<uint8_t> Nans(size_t elements, DType dtype) {
  std::vector<uint8_t> bytes(elements * SizeOf(dtype));
  for (size_t i = 0; i < elements; ++i) Encode(kPoison, dtype, bytes.data() + i * SizeOf(dtype));
  return bytes;
}

}  // namespace

Random::Random() {
  static uint64_t instances = 0;
  std::seed_seq sequence = {static_cast<uint32_t>(Seed()), static_cast<uint32_t>(Seed() >> 32),
                            static_cast<uint32_t>(instances++)};
  engine_.seed(sequence);
}

Dense Random::Normals(int64_t rows, int64_t cols, double scale) {
  Dense out(rows, cols);
  for (double& v : out.values) v = scale * Normal();
  return out;
}

std::vector<double> Random::NormalVector(int64_t n, double scale) { return Normals(1, n, scale).values; }

std::vector<double> Rounded(const std::vector<double>& values, DType dtype) {
  std::vector<double> out;
  for (double v : values) out.push_back(RoundTo(v, dtype));
  return out;
}

Dense Rounded(const Dense& values, DType dtype) {
  Dense out = values;
  out.values = Rounded(values.values, dtype);
  return out;
}

std::vector<uint8_t> Encoded(const Dense& values, DType dtype) {
  std::vector<uint8_t> bytes(values.values.size() * SizeOf(dtype));
  for (size_t i = 0; i < values.values.size(); ++i) Encode(values.values[i], dtype, bytes.data() + i * SizeOf(dtype));
  return bytes;
}

DeviceTensor::DeviceTensor(Ops& ops, int64_t rows, int64_t cols, DType dtype, int64_t slack) : ops_(ops) {
  const auto bytes = Nans(static_cast<size_t>(rows * (cols + slack)), dtype);
  buffer_ = OnDevice(ops, bytes);
  view_ = {buffer_.data(), dtype, rows, cols, cols + slack};
}

DeviceTensor::DeviceTensor(Ops& ops, const Dense& values, DType dtype, int64_t slack)
    : DeviceTensor(ops, values.rows, values.cols, dtype, slack) {
  Upload(values);
}

void DeviceTensor::Upload(const Dense& values) {
  auto bytes = Nans(static_cast<size_t>(view_.rows * view_.stride), view_.dtype);
  for (int64_t r = 0; r < view_.rows; ++r) {
    for (int64_t c = 0; c < view_.cols; ++c) {
      Encode(values.At(r, c), view_.dtype,
             bytes.data() + static_cast<size_t>(r * view_.stride + c) * SizeOf(view_.dtype));
    }
  }
  ops_.device().CopyToDevice(buffer_.data(), bytes.data(), bytes.size());
  EXPECT_TRUE(ops_.device().Synchronize().ok());  // the bytes go
}

Dense DeviceTensor::Download() const {
  std::vector<uint8_t> bytes(buffer_.bytes());
  ops_.device().CopyToHost(bytes.data(), buffer_.data(), bytes.size());
  const absl::Status status = ops_.device().Synchronize();
  EXPECT_TRUE(status.ok()) << status;
  Dense out(view_.rows, view_.cols);
  for (int64_t r = 0; r < view_.rows; ++r) {
    for (int64_t c = 0; c < view_.stride; ++c) {
      const double v =
          Decode(bytes.data() + static_cast<size_t>(r * view_.stride + c) * SizeOf(view_.dtype), view_.dtype);
      if (c < view_.cols) {
        out.At(r, c) = v;
      } else {
        EXPECT_TRUE(std::isnan(v)) << "written past the end of row " << r << ", at column " << c;
      }
    }
  }
  return out;
}

Buffer FloatsOnDevice(Ops& ops, const std::vector<double>& values) {
  return OnDevice(ops, std::vector<float>(values.begin(), values.end()));
}

Matrix LoadWeights(Ops& ops, const Dense& weights, DType dtype) {
  const auto bytes = Encoded(weights, dtype);
  const HostTensor part = {bytes.data(), dtype, weights.rows, weights.cols};
  return ops.LoadMatrix({&part, 1}, 1, 1, "test weights").value();
}

Batch::Batch(Ops& ops, const std::vector<Chunk>& chunks, const std::vector<std::vector<int32_t>>& tables)
    : chunks_(chunks) {
  std::vector<int32_t> positions, row_sequence, start, slot, before, table;
  bool drafts = false;
  first_row_ = {0};
  for (size_t s = 0; s < chunks.size(); ++s) {
    const Chunk& chunk = chunks[s];
    for (int32_t i = 0; i < chunk.rows; ++i) {
      positions.push_back(chunk.start + i);
      row_sequence.push_back(static_cast<int32_t>(s));
    }
    first_row_.push_back(first_row_.back() + chunk.rows);
    start.push_back(chunk.start);
    slot.push_back(chunk.slot);
    before.push_back(chunk.before < 0 ? chunk.slot : chunk.before);
    drafts = drafts || chunk.before >= 0;
    if (!tables.empty()) {
      const auto& blocks = tables[chunk.source()];
      table.insert(table.end(), blocks.begin(), blocks.end());
      view_.table_width = static_cast<int32_t>(blocks.size());
    }
    if (chunk.decode) ++view_.num_decode;
    if (!chunk.decode) view_.max_chunk = std::max(view_.max_chunk, chunk.rows);
    view_.max_context = std::max(view_.max_context, chunk.start + chunk.rows);
  }
  view_.num_tokens = first_row_.back();
  view_.num_sequences = static_cast<int32_t>(chunks.size());
  const auto upload = [&](const std::vector<int32_t>& values) {
    buffers_.push_back(OnDevice(ops, values));
    return buffers_.back().As<int32_t>();
  };
  view_.positions = upload(positions);
  view_.row_sequence = upload(row_sequence);
  view_.first_row = upload(first_row_);
  view_.start = upload(start);
  view_.slot = upload(slot);
  view_.block_table = upload(table);
  if (drafts) view_.before = upload(before);
}

Dense Batch::Gather(const std::vector<Dense>& sequences) const {
  Dense out(view_.num_tokens, sequences[0].cols);
  auto to = out.values.begin();
  for (const Chunk& chunk : chunks_) {
    const Dense rows = sequences[chunk.source()].RowRange(chunk.start, chunk.rows);
    to = std::copy(rows.values.begin(), rows.values.end(), to);
  }
  return out;
}

void Batch::Scatter(const Dense& rows, std::vector<Dense>& sequences) const {
  for (size_t s = 0; s < chunks_.size(); ++s) {
    Dense& sequence = sequences[chunks_[s].source()];
    std::copy_n(rows.values.begin() + first_row_[s] * rows.cols, chunks_[s].rows * rows.cols,
                sequence.values.begin() + chunks_[s].start * rows.cols);
  }
}

RecurrentSlots::RecurrentSlots(Ops& ops, int32_t slots, int64_t channels, int64_t states)
    : ops_(ops), channels_(channels), states_(states) {
  ssm_bytes_ = static_cast<size_t>(channels * states) * sizeof(float);
  const size_t conv_bytes = static_cast<size_t>(channels * 3) * SizeOf(ops.activation_dtype());
  slot_bytes_ = (ssm_bytes_ + conv_bytes + 255) / 256 * 256 + 256;  // aligned, and apart
  // All ones is NaN as fp32 and as bf16.
  buffer_ = OnDevice(ops, std::vector<uint8_t>(slot_bytes_ * static_cast<size_t>(slots), 0xff));
}

RecurrentView RecurrentSlots::view() const {
  return {buffer_.As<float>(), buffer_.As<char>() + ssm_bytes_, static_cast<int64_t>(slot_bytes_)};
}

Dense RecurrentSlots::Ssm(int32_t slot) const {
  std::vector<float> h(static_cast<size_t>(channels_ * states_));
  ops_.device().CopyToHost(h.data(), buffer_.As<char>() + static_cast<size_t>(slot) * slot_bytes_, ssm_bytes_);
  EXPECT_TRUE(ops_.device().Synchronize().ok());
  Dense out(channels_, states_);
  std::copy(h.begin(), h.end(), out.values.begin());
  return out;
}

Dense RecurrentSlots::Conv(int32_t slot) const {
  const DType dtype = ops_.activation_dtype();
  std::vector<uint8_t> bytes(static_cast<size_t>(channels_ * 3) * SizeOf(dtype));
  ops_.device().CopyToHost(bytes.data(), buffer_.As<char>() + static_cast<size_t>(slot) * slot_bytes_ + ssm_bytes_,
                           bytes.size());
  EXPECT_TRUE(ops_.device().Synchronize().ok());
  Dense out(channels_, 3);
  for (size_t i = 0; i < out.values.size(); ++i) out.values[i] = Decode(bytes.data() + i * SizeOf(dtype), dtype);
  return out;
}

void RecurrentSlots::SetSsm(int32_t slot, const Dense& h) {
  const auto bytes = Encoded(h, DType::kF32);
  ops_.device().CopyToDevice(buffer_.As<char>() + static_cast<size_t>(slot) * slot_bytes_, bytes.data(), bytes.size());
  EXPECT_TRUE(ops_.device().Synchronize().ok());
}

void RecurrentSlots::SetConv(int32_t slot, const Dense& inputs) {
  const auto bytes = Encoded(inputs, ops_.activation_dtype());
  ops_.device().CopyToDevice(buffer_.As<char>() + static_cast<size_t>(slot) * slot_bytes_ + ssm_bytes_, bytes.data(),
                             bytes.size());
  EXPECT_TRUE(ops_.device().Synchronize().ok());
}

KvBlocks::KvBlocks(Ops& ops, Random& random, int32_t slots, int32_t table_width, int32_t block_tokens, int32_t kv_heads,
                   int32_t head_dim) {
  const int64_t plane = static_cast<int64_t>(kv_heads) * block_tokens * head_dim;  // K or V of one layer of one block
  const int64_t layers = 2, blocks = static_cast<int64_t>(slots) * table_width;
  const DType dtype = ops.activation_dtype();
  buffer_ = OnDevice(ops, Nans(static_cast<size_t>(blocks * layers * 2 * plane), dtype));
  layer_bytes_ = static_cast<size_t>(2 * plane) * SizeOf(dtype);
  char* layer = buffer_.As<char>() + layer_bytes_;
  view_ = {layer, layer + static_cast<size_t>(plane) * SizeOf(dtype), layers * 2 * plane, block_tokens};
  std::vector<int32_t> ids(static_cast<size_t>(blocks));
  std::iota(ids.begin(), ids.end(), 0);
  random.Shuffle(ids);
  for (int32_t s = 0; s < slots; ++s)
    tables_.emplace_back(ids.begin() + s * table_width, ids.begin() + (s + 1) * table_width);
}

bool KvBlocks::OtherLayerUntouched(Ops& ops) const {
  const DType dtype = ops.activation_dtype();
  std::vector<uint8_t> bytes(buffer_.bytes());
  ops.device().CopyToHost(bytes.data(), buffer_.data(), bytes.size());
  EXPECT_TRUE(ops.device().Synchronize().ok());
  for (size_t block = 0; block < bytes.size(); block += 2 * layer_bytes_) {
    for (size_t at = block; at < block + layer_bytes_; at += SizeOf(dtype)) {
      if (!std::isnan(Decode(bytes.data() + at, dtype))) return false;
    }
  }
  return true;
}

}  // namespace batucada::testing
