// What tests of ops share: fresh random data, tensors on a device with poisoned surroundings, ragged batches, state and
// K/V with poisoned contents. Nothing here knows which device an Ops runs on.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/ops.h"
#include "tests/kernels/reference_ops.h"

namespace batucada::testing {

using reference::Dense;

// Random numbers that differ from run to run. The seed is printed once; BATUCADA_TEST_SEED repeats a run.
class Random {
 public:
  Random();
  double Normal() { return normal_(engine_); }
  double Uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
  int32_t Integer(int32_t low, int32_t high) { return std::uniform_int_distribution<int32_t>(low, high)(engine_); }
  uint64_t Bits() { return engine_(); }
  Dense Normals(int64_t rows, int64_t cols, double scale = 1);
  std::vector<double> NormalVector(int64_t n, double scale = 1);
  template <typename T>
  void Shuffle(std::vector<T>& values) {
    std::shuffle(values.begin(), values.end(), engine_);
  }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<double> normal_;
};

// The values that `dtype` can hold nearest to these.
Dense Rounded(const Dense& values, DType dtype);
std::vector<double> Rounded(const std::vector<double>& values, DType dtype);
// As a checkpoint would hold them: contiguous bytes.
std::vector<uint8_t> Encoded(const Dense& values, DType dtype);

// A matrix on the device whose rows are `slack` elements apart. Everything that was not uploaded is NaN.
class DeviceTensor {
 public:
  DeviceTensor(Ops& ops, int64_t rows, int64_t cols, DType dtype, int64_t slack = 0);
  DeviceTensor(Ops& ops, const Dense& values, DType dtype, int64_t slack = 0);

  Tensor view() const { return view_; }
  void Upload(const Dense& values);
  // Waits for the device. Fails the test if a slack element is not NaN any more, or if an op has failed.
  Dense Download() const;

 private:
  Ops& ops_;
  Buffer buffer_;
  Tensor view_;
};

// Bytes on the device.
template <typename T>
Buffer OnDevice(Ops& ops, const std::vector<T>& values) {
  Buffer buffer = ops.device().Allocate(values.size() * sizeof(T), "test data").value();
  ops.device().CopyToDevice(buffer.data(), values.data(), values.size() * sizeof(T));
  EXPECT_TRUE(ops.device().Synchronize().ok());  // the values may go
  return buffer;
}
Buffer FloatsOnDevice(Ops& ops, const std::vector<double>& values);  // fp32
Matrix LoadWeights(Ops& ops, const Dense& weights, DType dtype);

// One sequence's part of a step.
struct Chunk {
  int32_t slot = 0;
  int32_t start = 0;
  int32_t rows = 1;
  bool decode = false;  // decode chunks come first and have one row
  // Of a draft, which is a decode chunk behind that of `before`: the slot it begins with, and that of the sequence
  // whose rows and blocks are its own.
  int32_t before = -1, sequence = -1;

  size_t source() const { return static_cast<size_t>(sequence < 0 ? slot : sequence); }
};

// A step's arrays on the device. `tables[slot]` is the slot's ring of blocks; all have the same width.
class Batch {
 public:
  Batch(Ops& ops, const std::vector<Chunk>& chunks, const std::vector<std::vector<int32_t>>& tables = {});

  const BatchView& view() const { return view_; }
  // Rows of the step, put together from whole sequences: chunk i takes rows start … start + rows - 1 of
  // sequences[slot].
  Dense Gather(const std::vector<Dense>& sequences) const;
  // The other way: writes rows of the step into the rows of `sequences` they came from.
  void Scatter(const Dense& rows, std::vector<Dense>& sequences) const;

 private:
  std::vector<Chunk> chunks_;
  std::vector<Buffer> buffers_;
  std::vector<int32_t> first_row_;
  BatchView view_;
};

// Slots of one Mamba layer, all NaN until written; conv in the activation dtype.
class RecurrentSlots {
 public:
  RecurrentSlots(Ops& ops, int32_t slots, int64_t channels, int64_t states);
  RecurrentView view() const;
  Dense Ssm(int32_t slot) const;   // [channels, states]
  Dense Conv(int32_t slot) const;  // [channels, 3]
  void SetSsm(int32_t slot, const Dense& h);
  void SetConv(int32_t slot, const Dense& inputs);

 private:
  Ops& ops_;
  int64_t channels_, states_;
  size_t ssm_bytes_, slot_bytes_;
  Buffer buffer_;
};

// K/V blocks of two layers, the second one in use, all NaN until written; every slot has a ring of its own blocks, in
// random order.
class KvBlocks {
 public:
  KvBlocks(Ops& ops, Random& random, int32_t slots, int32_t table_width, int32_t block_tokens, int32_t kv_heads,
           int32_t head_dim);
  KvView view() const { return view_; }
  const std::vector<std::vector<int32_t>>& tables() const { return tables_; }
  // Whether the layer that is not in use is still all NaN.
  bool OtherLayerUntouched(Ops& ops) const;

 private:
  Buffer buffer_;
  KvView view_;
  size_t layer_bytes_ = 0;
  std::vector<std::vector<int32_t>> tables_;
};

}  // namespace batucada::testing
