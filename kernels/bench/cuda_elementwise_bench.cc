// RMSNorm, SwiGLU and sampling.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "kernels/bench/cuda_bench.h"
#include "kernels/cuda/swiglu.h"

namespace batucada::bench {

void BenchElementwise(Bench& bench) {
  for (const int64_t rows : {1, 64, 256, 16384}) {
    const int64_t cols = 2048, mlp = 8200;
    Buffer x = bench.Fill(static_cast<size_t>(rows * cols), DType::kF32);
    Buffer weight = bench.Fill(static_cast<size_t>(cols), DType::kF32);
    Buffer out = bench.Fill(static_cast<size_t>(rows * cols), DType::kBf16);
    Buffer gate_up = bench.Fill(static_cast<size_t>(rows * mlp * 2), DType::kBf16);
    Buffer mixed = bench.Fill(static_cast<size_t>(rows * mlp), DType::kBf16);
    const Tensor x_view{x.data(), DType::kF32, rows, cols, cols};
    double seconds = bench.Time(
        20, [&](int) { bench.ops().RmsNorm(x_view, weight.As<float>(), 1e-5f, bench.Act(out, rows, cols)); });
    bench.Duration("rms_norm/d2048/r" + std::to_string(rows), seconds,
                   bench.BytesFloor(static_cast<double>(rows * cols * 6)));
    seconds = bench.Time(20, [&](int) {
      const cudaError_t error = cuda::SwiGlu({.gate_up = gate_up.As<__nv_bfloat16>(),
                                              .in_stride = 2 * mlp,
                                              .rows = static_cast<int32_t>(rows),
                                              .cols = static_cast<int32_t>(mlp),
                                              .out = mixed.As<__nv_bfloat16>(),
                                              .out_stride = mlp},
                                             bench.ops().target());
      if (error != cudaSuccess) std::abort();
    });
    bench.Duration("swiglu/m8200/r" + std::to_string(rows), seconds,
                   bench.BytesFloor(static_cast<double>(rows * mlp * 6)));
  }
}

void BenchSample(Bench& bench) {
  const int64_t vocab = 50304;
  struct Kind {
    const char* name;
    RowSampling row;
    uint32_t allowed = 0xffffffff;  // each word of its mask; all bits: it has none
  };
  const Kind kinds[] = {{"greedy", {.temperature = 0}},
                        {"temperature", {.temperature = 1}},
                        {"top_k50", {.temperature = 1, .top_k = 50}},
                        {"top_p0.9", {.temperature = 1, .top_p = 0.9f}},
                        {"greedy_top20", {.temperature = 0, .num_top = 20}},
                        {"masked_half", {.temperature = 1}, 0xf0f1f0f0},
                        {"masked_few", {.temperature = 1}, 0x00000010}};
  for (const int64_t rows : {1, 64, 256}) {
    Buffer logits = bench.Fill(static_cast<size_t>(rows * vocab), DType::kF32);
    Buffer results =
        bench.Check(bench.ops().device().Allocate(static_cast<size_t>(rows) * sizeof(RowSample), "results"));
    Buffer last = bench.Check(bench.ops().device().Allocate(static_cast<size_t>(rows) * 4, "last"));
    for (const Kind& kind : kinds) {
      std::vector<RowSampling> requests(static_cast<size_t>(rows), kind.row);
      const Buffer mask = bench.Upload(std::vector<uint32_t>(static_cast<size_t>(vocab) / 32, kind.allowed));
      for (int32_t i = 0; i < rows; ++i) {
        requests[static_cast<size_t>(i)].seed = static_cast<uint64_t>(i) * 977;
        requests[static_cast<size_t>(i)].slot = i;
        if (~kind.allowed != 0) requests[static_cast<size_t>(i)].control.allowed = mask.As<uint32_t>();
      }
      const Buffer on_device = bench.Upload(requests);
      const double seconds = bench.Time(5, [&](int) {
        bench.ops().Sample({logits.data(), DType::kF32, rows, vocab, vocab}, static_cast<int32_t>(vocab),
                           on_device.As<RowSampling>(), {}, results.As<RowSample>(), last.As<int32_t>());
      });
      bench.Duration(std::string("sample/v50304/") + kind.name + "/b" + std::to_string(rows), seconds,
                     bench.BytesFloor(static_cast<double>(rows * vocab * 4)));
    }
  }
}

// State of sequences from place to place, as checkpoints and prefix reuse move it: 27 MiB of 34 pieces (a slot and 33
// blocks of Samba 1.7B), of one sequence and of four.
void BenchCopies(Bench& bench) {
  Device& device = bench.ops().device();
  constexpr size_t kPieceBytes = (size_t{27} << 20) / 34 / 256 * 256;
  constexpr int kPieces = 34, kMost = 4 * kPieces;
  const Buffer from = bench.Fill(kMost * kPieceBytes / 2, DType::kBf16),
               to = bench.Fill(kMost * kPieceBytes / 2, DType::kBf16);
  const Buffer host = Bench::Check(device.AllocateHost(kMost * kPieceBytes, "parked state"));
  for (const int count : {kPieces, kMost}) {
    const auto pieces = [&](const Buffer& target, const Buffer& source) {
      std::vector<CopyPiece> list;
      for (int i = 0; i < count; ++i) {
        const size_t at = static_cast<size_t>(i) * kPieceBytes,
                     other = static_cast<size_t>(count - 1 - i) * kPieceBytes;
        list.push_back({target.As<char>() + at, source.As<char>() + other, kPieceBytes});
      }
      return list;
    };
    const double bytes = static_cast<double>(count) * kPieceBytes;
    const std::string name = "copies/" + std::to_string(count / kPieces) + "_sequences/";
    const std::vector<CopyPiece> inside = pieces(to, from), out = pieces(host, from), in = pieces(to, host);
    const double on_device = bench.Time(10, [&](int) { device.CopyPieces(inside); });
    bench.Rate(name + "on_device", on_device, bench.BytesFloor(2 * bytes), bytes * 1e-9, "GB/s");
    // Beside one large copy of the runtime's, which is as fast as the host's bus.
    const double plain_out =
        bench.Time(2, [&](int) { device.CopyToHost(host.data(), from.data(), count * kPieceBytes); });
    const double plain_in =
        bench.Time(2, [&](int) { device.CopyToDevice(to.data(), host.data(), count * kPieceBytes); });
    bench.Rate(name + "to_host", bench.Time(2, [&](int) { device.CopyPieces(out); }), plain_out, bytes * 1e-9, "GB/s");
    bench.Rate(name + "from_host", bench.Time(2, [&](int) { device.CopyPieces(in); }), plain_in, bytes * 1e-9, "GB/s");
  }
}

}  // namespace batucada::bench
