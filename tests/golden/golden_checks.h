// How an engine's answers are held against the reference's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/golden/golden_files.h"

namespace batucada {

// What a backend promises: fp32 arithmetic on the CPU, bf16 operands on CUDA.
struct Contract {
  BackendKind backend;
  std::string name;
  float worst;    // log-probability of any token
  float mean;     // mean difference over a prompt
  float decided;  // greedy tokens are equal wherever the reference's margin exceeds this
  double nll;     // mean negative log-likelihood of a range of positions
};
inline const Contract kCpu{BackendKind::kCpu, "cpu", 2e-3F, 2e-3F, 0.02F, 2e-3};
inline const Contract kCuda{BackendKind::kCuda, "cuda", 0.3F, 0.05F, 0.5F, 0.01};

// Null, and the test to be skipped, where this machine has no such device.
std::unique_ptr<Engine> MakeEngine(const EngineConfig& config);

// The case's prompt, to be continued greedily as far as the case goes, with all that can be compared.
Request GreedyRequest(const GoldenCase& c);

struct Answer {
  std::vector<TokenResult> prompt, tokens;
  Finish finish;
};
Answer Collect(Generation& generation);

void ExpectMatches(const Contract& contract, const GoldenCase& c, const Answer& answer);

}  // namespace batucada
