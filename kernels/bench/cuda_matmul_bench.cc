// The matrix products of Samba 1.7B at decode and prompt sizes. Weights rotate, so that none is in the cache.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>

#include "kernels/bench/cuda_bench.h"
#include "kernels/cuda/medium_matmul.h"
#include "kernels/cuda/ring_matmul.h"

namespace batucada::bench {

void BenchMatMul(Bench& bench) {
  struct Product {
    const char* name;
    int64_t out, in;
    bool add;
  };
  const Product products[] = {
      {"in_proj", 8192, 2048, false},  {"x_proj", 160, 4096, false}, {"dt_proj", 4096, 128, false},
      {"out_proj", 2048, 4096, true},  {"qkv", 2560, 2048, false},   {"o_proj", 2048, 2048, true},
      {"gate_up", 16512, 2048, false}, {"down", 2048, 8256, true},   {"lm_head", 50304, 2048, false}};
  const std::unique_ptr<cuda::MatMulPlans> plans = bench.Check(cuda::MatMulPlans::Create());
  for (const Product& p : products) {
    const double weight_bytes = 2. * static_cast<double>(p.out * p.in);
    const int copies = static_cast<int>(std::min(200., 1 + 2e8 / weight_bytes));
    std::vector<Matrix> weights;
    for (int i = 0; i < copies; ++i) weights.push_back(bench.RandomMatrix(p.out, p.in));
    const bool floats = p.add || p.out > 50000;
    for (const int64_t rows : {1, 8, 16, 32, 64, 128, 256, 512, 8192}) {
      if (rows > 256 && p.out > 50000) continue;
      Buffer in = bench.Fill(static_cast<size_t>(rows * p.in), DType::kBf16);
      Buffer out = bench.Fill(static_cast<size_t>(rows * p.out), floats ? DType::kF32 : DType::kBf16);
      const Tensor to{out.data(), floats ? DType::kF32 : DType::kBf16, rows, p.out, p.out};
      const double seconds = bench.Time(rows > 512 ? 4 : std::max(copies, 8), [&](int i) {
        const Matrix& w = weights[static_cast<size_t>(i % copies)];
        if (p.add) {
          bench.ops().MatMulAdd(w, bench.Act(in, rows, p.in), to);
        } else {
          bench.ops().MatMul(w, bench.Act(in, rows, p.in), to);
        }
      });
      const std::string name = std::string("matmul/") + p.name + "/r" + std::to_string(rows);
      const double flops = weight_bytes * static_cast<double>(rows);
      const double bytes =
          weight_bytes + static_cast<double>(rows) * (2. * static_cast<double>(p.in) + (p.add    ? 8.
                                                                                        : floats ? 4.
                                                                                                 : 2.) *
                                                                                           static_cast<double>(p.out));
      const double floor = std::max(bench.FlopsFloor(flops), bench.BytesFloor(bytes));
      if (rows > 512) {
        bench.Rate(name, seconds, floor, flops * 1e-12, "TFLOP/s");
      } else {
        bench.Duration(name, seconds, floor);
      }
      // The same through the other implementation that could: cuBLASLt, which serves more rows, or the
      // kernel whose rows are the same bits in any number.
      const bool library = rows <= 64;
      if (!library && rows <= 128) continue;
      const double other_seconds = bench.Time(rows > 512 ? 4 : std::max(copies, 8), [&](int i) {
        const Matrix& w = weights[static_cast<size_t>(i % copies)];
        const cuda::MatMulParams params{.w = w.storage.data(),
                                        .n = p.out,
                                        .k = p.in,
                                        .in = in.data(),
                                        .in_stride = p.in,
                                        .rows = rows,
                                        .out = out.data(),
                                        .out_stride = p.out,
                                        .output = p.add    ? cuda::MatMulOutput::kAddF32
                                                  : floats ? cuda::MatMulOutput::kF32
                                                           : cuda::MatMulOutput::kBf16};
        const bool done = library ? plans->Run(params, bench.ops().target()).ok()
                                  : cuda::MediumMatMul(params, bench.ops().target()) == cudaSuccess;
        if (!done) std::abort();
      });
      if (rows > 512) {
        bench.Rate(name + "/invariant", other_seconds, floor, flops * 1e-12, "TFLOP/s");
      } else {
        bench.Duration(name + (library ? "/cublaslt" : "/invariant"), other_seconds, floor);
      }
    }
  }
}

// How fast each way to spread a product over blocks is; for choosing, not for the record.
void BenchMatMulCuts(Bench& bench) {
  struct Product {
    const char* name;
    int64_t out, in;
    cuda::MatMulOutput output;
  };
  using cuda::MatMulOutput;
  for (const Product& p : {Product{"in_proj", 8192, 2048, MatMulOutput::kBf16},
                           {"x_proj", 160, 4096, MatMulOutput::kPartsF32},
                           {"out_proj", 2048, 4096, MatMulOutput::kPartsF32},
                           {"qkv", 2560, 2048, MatMulOutput::kBf16},
                           {"o_proj", 2048, 2048, MatMulOutput::kPartsF32},
                           {"gate_up", 16512, 2048, MatMulOutput::kBf16},
                           {"down", 2048, 8256, MatMulOutput::kPartsF32},
                           {"lm_head", 50304, 2048, MatMulOutput::kF32}}) {
    const double weight_bytes = 2. * static_cast<double>(p.out * p.in);
    const int copies = static_cast<int>(std::min(100., 1 + 2e8 / weight_bytes));
    std::vector<Matrix> weights;
    for (int i = 0; i < copies; ++i) weights.push_back(bench.RandomMatrix(p.out, p.in));
    for (const int64_t rows : {1, 8, 16}) {
      Buffer in = bench.Fill(static_cast<size_t>(rows * p.in), DType::kBf16);
      Buffer out = bench.Fill(static_cast<size_t>(cuda::kMostParts * rows * p.out), DType::kF32);
      const auto measure = [&](const std::string& cut,
                               const std::function<cudaError_t(const cuda::MatMulParams&)>& run) {
        const double seconds = bench.Time(std::max(copies, 8), [&](int i) {
          const cudaError_t error = run({.w = weights[static_cast<size_t>(i % copies)].storage.data(),
                                         .n = p.out,
                                         .k = p.in,
                                         .in = in.data(),
                                         .in_stride = p.in,
                                         .rows = rows,
                                         .out = out.data(),
                                         .out_stride = p.out,
                                         .output = p.output});
          if (error != cudaSuccess) std::abort();
        });
        bench.Duration(std::string("cuts/") + p.name + "/r" + std::to_string(rows) + "/" + cut, seconds,
                       bench.BytesFloor(weight_bytes));
      };
      const cuda::Target& target = bench.ops().target();
      for (const int tile : {16, 32, 64}) {
        for (int parts = 1; parts <= (p.output == MatMulOutput::kPartsF32 ? cuda::kMostParts : 1); parts *= 2) {
          for (const int slots : {3, 4, 6}) {
            measure("t" + std::to_string(tile) + "p" + std::to_string(parts) + "s" + std::to_string(slots),
                    [&](const cuda::MatMulParams& params) {
                      return cuda::RingMatMul(params, target, {.tile = tile, .parts = parts, .slots = slots});
                    });
          }
        }
      }
    }
  }
}

}  // namespace batucada::bench
