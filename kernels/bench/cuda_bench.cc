#include "kernels/bench/cuda_bench.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "base/float16.h"
#include "kernels/bench/cuda_copy.h"

namespace batucada::bench {
namespace {

constexpr size_t kNoise = size_t{1} << 22;  // elements of noise to copy from

}  // namespace

Bench::Bench(std::unique_ptr<CudaOps> ops) : ops_(std::move(ops)) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> wide(kNoise);
  for (float& v : wide) v = normal(random);
  std::vector<uint16_t> narrow(kNoise);
  std::transform(wide.begin(), wide.end(), narrow.begin(), Bf16FromFloat);
  noise_f32_ = Upload(wide);
  noise_bf16_ = Upload(narrow);
}

void Bench::Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

void Bench::Finish() {
  if (const absl::Status status = ops_->device().Synchronize(); !status.ok()) Fail(status);
}

Buffer Bench::Fill(size_t elements, DType dtype) {
  Buffer b = Check(ops_->device().Allocate(elements * SizeOf(dtype), "bench data"));
  const Buffer& noise = dtype == DType::kF32 ? noise_f32_ : noise_bf16_;
  for (size_t at = 0; at < elements; at += kNoise) {
    ops_->device().CopyOnDevice(b.As<char>() + at * SizeOf(dtype), noise.data(),
                                std::min(kNoise, elements - at) * SizeOf(dtype));
  }
  return b;
}

Tensor Bench::Act(Buffer& storage, int64_t rows, int64_t cols) const {
  return {.data = storage.data(), .dtype = DType::kBf16, .rows = rows, .cols = cols, .stride = cols};
}

Matrix Bench::RandomMatrix(int64_t out, int64_t in) {
  return {.storage = Fill(static_cast<size_t>(out * in), DType::kBf16), .dtype = DType::kBf16, .out = out, .in = in};
}

double Bench::Time(int calls, const std::function<void(int)>& body) {
  const uint64_t key = next_key_++;
  const auto all = [&] {
    for (int i = 0; i < calls; ++i) body(i);
  };
  for (int warm = 0; warm < 3; ++warm) ops_->device().RunCaptured(key, all);
  Finish();
  const CudaEvent begin = Check(MakeCudaEvent(EventTiming::kOn)), end = Check(MakeCudaEvent(EventTiming::kOn));
  std::vector<double> seconds;
  double spent = 0;
  while (seconds.size() < 5 || (spent < 0.03 && seconds.size() < 50)) {
    const cudaStream_t stream = ops_->target().stream;
    if (cudaEventRecord(begin.get(), stream) != cudaSuccess) Fail(absl::InternalError("event"));
    ops_->device().RunCaptured(key, all);
    if (cudaEventRecord(end.get(), stream) != cudaSuccess) Fail(absl::InternalError("event"));
    Finish();
    float milliseconds = 0;
    if (cudaEventElapsedTime(&milliseconds, begin.get(), end.get()) != cudaSuccess) Fail(absl::InternalError("event"));
    seconds.push_back(milliseconds * 1e-3 / calls);
    spent += milliseconds * 1e-3;
  }
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<int64_t>(seconds.size() / 2), seconds.end());
  return seconds[seconds.size() / 2];
}

void Bench::Rate(const std::string& name, double seconds, double floor_s, double work, const std::string& unit) {
  results_.push_back({name, work / seconds, unit, work / floor_s, floor_s / seconds});
}

void Bench::Duration(const std::string& name, double seconds, double floor_s) {
  results_.push_back({name, seconds * 1e6, "us", floor_s * 1e6, floor_s / seconds});
}

void Bench::MeasureCeilings() {
  const size_t bytes = size_t{2} << 30;
  {
    const Buffer from = Fill(bytes / 2, DType::kBf16), to = Fill(bytes / 2, DType::kBf16);
    // Long enough that the clocks have risen; the fastest of several medians is the ceiling.
    for (int round = 0; round < 8; ++round) {
      const double s = Time(4, [&](int) {
        if (round % 2 == 0) return ops_->device().CopyOnDevice(to.data(), from.data(), bytes);
        if (CopyOnMultiprocessors(to.data(), from.data(), bytes, ops_->target().stream) != cudaSuccess) std::abort();
      });
      ceilings_.copy_bytes_per_s = std::max(ceilings_.copy_bytes_per_s, 2.0 * static_cast<double>(bytes) / s);
    }
  }
  {
    const int64_t n = 8192;
    const Matrix w = RandomMatrix(n, n);
    Buffer in = Fill(static_cast<size_t>(n * n), DType::kBf16), out = Fill(static_cast<size_t>(n * n), DType::kBf16);
    for (int round = 0; round < 5; ++round) {
      const double s = Time(10, [&](int) { ops_->MatMul(w, Act(in, n, n), Act(out, n, n)); });
      ceilings_.bf16_flops_per_s = std::max(ceilings_.bf16_flops_per_s, 2.0 * static_cast<double>(n * n * n) / s);
    }
  }
  int clock_khz = 0;
  if (cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, 0) != cudaSuccess)
    Fail(absl::InternalError("clock rate"));
  ceilings_.exponentials_per_s = 16.0 * ops_->target().multiprocessors * clock_khz * 1e3;
  results_.push_back({"ceiling/copy", ceilings_.copy_bytes_per_s * 1e-12, "TB/s", 0, 1});
  results_.push_back({"ceiling/gemm_bf16_8192", ceilings_.bf16_flops_per_s * 1e-12, "TFLOP/s", 0, 1});
  results_.push_back({"ceiling/exponentials", ceilings_.exponentials_per_s * 1e-12, "T/s", 0, 1});
}

void Bench::Print() const {
  std::printf("%-46s %12s %-9s %12s %7s\n", "name", "value", "unit", "floor", "share");
  for (const Result& r : results_) {
    std::printf("%-46s %12.3f %-9s %12.3f %6.1f%%\n", r.name.c_str(), r.value, r.unit.c_str(), r.floor,
                100 * r.share_of_floor);
  }
}

bool Bench::WriteJson(const std::string& path, const std::string& commit, const std::string& command) const {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fprintf(file, "[\n");
  for (size_t i = 0; i < results_.size(); ++i) {
    const Result& r = results_[i];
    std::fprintf(file,
                 "  {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"floor\": %.6g, \"share_of_floor\": %.4f, "
                 "\"commit\": \"%s\", \"command\": \"%s\"}%s\n",
                 r.name.c_str(), r.value, r.unit.c_str(), r.floor, r.share_of_floor, commit.c_str(), command.c_str(),
                 i + 1 < results_.size() ? "," : "");
  }
  std::fprintf(file, "]\n");
  return std::fclose(file) == 0;
}

}  // namespace batucada::bench
