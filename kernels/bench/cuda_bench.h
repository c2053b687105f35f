// What the CUDA benchmarks share: random data on the device, timing by replayed graphs, a table beside measured
// ceilings.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/ops.h"

namespace batucada::bench {

// One line of the table. `floor` is what a perfect kernel would reach, in the same unit; larger is better or worse as
// the unit says, and share_of_floor is 1 at the floor either way.
struct Result {
  std::string name;
  double value = 0;
  std::string unit;
  double floor = 0;
  double share_of_floor = 0;
};

// Two rates of this device, measured in this run; every floor derives from them.
struct Ceilings {
  double copy_bytes_per_s = 0;  // reads and writes both counted
  double bf16_flops_per_s = 0;
  double exponentials_per_s = 0;  // 16 per clock and multiprocessor at the highest clock
};

class Bench {
 public:
  explicit Bench(std::unique_ptr<CudaOps> ops);

  CudaOps& ops() { return *ops_; }
  const Ceilings& ceilings() const { return ceilings_; }

  // Uninteresting but not constant: normal bf16 or fp32 values.
  Buffer Fill(size_t elements, DType dtype);
  Tensor Act(Buffer& storage, int64_t rows, int64_t cols) const;
  // A weight matrix of random values.
  Matrix RandomMatrix(int64_t out, int64_t in);
  template <typename T>
  Buffer Upload(const std::vector<T>& values) {
    Buffer b = Check(ops_->device().Allocate(values.size() * sizeof(T), "bench data"));
    ops_->device().CopyToDevice(b.data(), values.data(), values.size() * sizeof(T));
    Finish();
    return b;
  }

  // Median seconds of one call of `body(i)`: `calls` of them, i = 0 …, are captured as one CUDA graph, which is
  // replayed.
  double Time(int calls, const std::function<void(int)>& body);

  // Files a time whose floor is `floor_s`; the line shows `work / seconds` in `unit` (for example work in 1e12
  // operations).
  void Rate(const std::string& name, double seconds, double floor_s, double work, const std::string& unit);
  // The same, shown as microseconds.
  void Duration(const std::string& name, double seconds, double floor_s);
  double BytesFloor(double bytes) const { return bytes / ceilings_.copy_bytes_per_s; }
  double FlopsFloor(double flops) const { return flops / ceilings_.bf16_flops_per_s; }

  void MeasureCeilings();
  void Print() const;
  // Writes the results as a flat JSON list.
  bool WriteJson(const std::string& path, const std::string& commit, const std::string& command) const;

  void Finish();
  template <typename T>
  static T Check(absl::StatusOr<T> value) {
    if (!value.ok()) Fail(value.status());
    return *std::move(value);
  }

 private:
  [[noreturn]] static void Fail(const absl::Status& status);

  std::unique_ptr<CudaOps> ops_;
  Ceilings ceilings_;
  Buffer noise_bf16_;
  Buffer noise_f32_;
  uint64_t next_key_ = 1;
  std::vector<Result> results_;
};

// The groups of benchmarks; each files its results.
void BenchScan(Bench& bench);
void BenchElementwise(Bench& bench);
void BenchAttention(Bench& bench);
void BenchMatMul(Bench& bench);
void BenchMatMulCuts(Bench& bench);  // only when asked for
void BenchSample(Bench& bench);
void BenchCopies(Bench& bench);

}  // namespace batucada::bench
