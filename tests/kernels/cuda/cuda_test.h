// What the CUDA kernel tests share: one Ops on device 0, random inputs rounded as the device sees them, poisoned
// outputs.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "kernels/ops.h"
#include "tests/kernels/reference_ops.h"

namespace batucada {

using reference::Dense;

// A bf16 value and back, rounded to nearest even.
uint16_t ToBf16(float value);
float FromBf16(uint16_t bits);

// A matrix in device memory with its storage.
struct DeviceTensor {
  Buffer storage;
  Tensor view;
};

// One sequence's part of a batch. Decode sequences have one row and come first.
struct Part {
  int32_t rows;
  int32_t start;
};

// A batch on the device, with everything it points to. Sequence i has slot slots[i] and its own row of the block table.
struct DeviceBatch {
  BatchView view;
  std::vector<Part> parts;
  std::vector<int32_t> slots;
  std::vector<int32_t> first_row;
  std::vector<int32_t> table;
  std::vector<Buffer> storage;
};

// Skips its tests where there is no usable device, and says why. Inputs are drawn afresh in every run; a failure prints
// the seed, and BATUCADA_TEST_SEED repeats it.
class CudaTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;

  Ops& ops() { return *ops_; }
  // Waits for everything launched so far; fails the test if anything went wrong.
  void Finish();

  // Normal with the given deviation, rounded to bf16 or fp32.
  Dense Random(int64_t rows, int64_t cols, double deviation, DType dtype);
  int32_t RandomInt(int32_t low, int32_t high);  // both included

  // Rows `extra_stride` elements further apart than their width; the gap holds NaN.
  DeviceTensor Upload(const Dense& values, DType dtype, int64_t extra_stride = 0);
  // Filled with NaN.
  DeviceTensor Poisoned(int64_t rows, int64_t cols, DType dtype, int64_t extra_stride = 0);
  Dense Download(const Tensor& t);
  template <typename T>
  Buffer UploadVector(const std::vector<T>& values) {
    Buffer buffer = *ops_->Allocate(values.size() * sizeof(T), "test vector");
    ops_->CopyToDevice(buffer.data(), values.data(), values.size() * sizeof(T));
    Finish();
    return buffer;
  }
  template <typename T>
  std::vector<T> DownloadVector(const void* device, size_t count) {
    std::vector<T> values(count);
    ops_->CopyToHost(values.data(), device, count * sizeof(T));
    Finish();
    return values;
  }

  // `num_decode` of the parts, from the first, are decode rows. Slots and blocks are dealt in random order.
  DeviceBatch MakeBatch(const std::vector<Part>& parts, int32_t num_decode, int32_t num_slots, int32_t table_width = 1);

  std::mt19937_64 random_;

 private:
  static std::unique_ptr<Ops> ops_;
  static absl::Status unavailable_;
};

#define EXPECT_CLOSE(actual, expected, tolerance) EXPECT_LT(reference::RelativeError(actual, expected), tolerance)

}  // namespace batucada
