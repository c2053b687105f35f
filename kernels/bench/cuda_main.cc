// Benchmarks of the CUDA kernels beside ceilings measured in the same run.
//   kernels_cuda_bench [--json FILE] [--commit ID] [--only GROUP]   GROUP: scan, elementwise, attention, matmul,
//   sample, copies, cuts
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "kernels/bench/cuda_bench.h"

int main(int argc, char** argv) {
  using namespace batucada;
  std::string json, commit = "unknown", only;
  std::string command = "kernels_cuda_bench";
  for (int i = 1; i < argc; i += 2) {
    std::string* const to = std::strcmp(argv[i], "--json") == 0     ? &json
                            : std::strcmp(argv[i], "--commit") == 0 ? &commit
                            : std::strcmp(argv[i], "--only") == 0   ? &only
                                                                    : nullptr;
    if (to == nullptr || i + 1 == argc) {
      std::fprintf(stderr, "usage: %s [--json FILE] [--commit ID] [--only GROUP]\n", argv[0]);
      return 2;
    }
    *to = argv[i + 1];
  }
  if (!only.empty()) command += " --only " + only;
  absl::StatusOr<std::unique_ptr<CudaOps>> ops =
      CudaOps::Create(0, RowMath::kFastest, std::make_unique<NullCommunicator>());
  if (!ops.ok()) {
    std::fprintf(stderr, "%s\n", ops.status().ToString().c_str());
    return 1;
  }
  bench::Bench bench(*std::move(ops));
  std::printf("%s\n", bench.ops().device().Info().name.c_str());
  bench.MeasureCeilings();
  const struct {
    const char* name;
    void (*run)(bench::Bench&);
  } groups[] = {{"scan", bench::BenchScan},           {"elementwise", bench::BenchElementwise},
                {"attention", bench::BenchAttention}, {"matmul", bench::BenchMatMul},
                {"sample", bench::BenchSample},       {"copies", bench::BenchCopies}};
  for (const auto& group : groups) {
    if (only.empty() || only.find(group.name) != std::string::npos) group.run(bench);
  }
  if (only.find("cuts") != std::string::npos) bench::BenchMatMulCuts(bench);
  bench.Print();
  if (!json.empty() && !bench.WriteJson(json, commit, command)) {
    std::fprintf(stderr, "cannot write %s\n", json.c_str());
    return 1;
  }
  return 0;
}
