// Times whole steps of a model on its backend, without scheduler or server, beside their floors (floors.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/ceilings.h"
#include "bench/figure.h"
#include "bench/partial_ops.h"
#include "engine/run/model_backend.h"

namespace batucada {

class StepBench {
 public:
  struct Lengths {
    int32_t chunk;   // prompt tokens of one step
    int64_t fill;    // tokens of a decode step's context that are computed; what lies behind them is read as zeros
    int32_t drafts;  // of each sequence in a decode step; nearly all are rejected
  };
  // `name` is the model's in figure names.
  StepBench(std::string name, const ModelConfig& model, const Ceilings& ceilings, DType activation, Lengths lengths,
            Backend* backend);

  // Median time of a decode step of `batch` sequences that each have so many tokens behind them; `contexts` ascend.
  absl::Status Decode(int32_t batch, const std::vector<int64_t>& contexts, std::vector<Figure>* figures);
  // Which kinds of op such a step loses most time in, at most `most` of them: what it takes less without each, beside
  // the least that its weights, states, keys and values need. Nothing is right afterwards.
  absl::Status Losses(int32_t batch, int64_t context, size_t most, PartialOps& ops, std::vector<Figure>* figures);
  // Tokens per second of computing `count` prompts of `length` tokens, one after another.
  absl::StatusOr<Figure> Prefill(int64_t length, int64_t count);

 private:
  struct Running {
    PageId slot;
    std::vector<std::vector<PageId>> blocks;  // by K/V group
    int64_t position;
  };
  std::vector<Running> Start(int32_t batch) const;
  // Computes the first `fill` of `context` tokens, and goes on behind the last.
  absl::Status Feed(std::vector<Running>& sequences, int64_t context, int64_t fill);
  // Of `rounds` rounds of steps behind `from` the median time of one.
  absl::StatusOr<double> StepSeconds(const std::vector<Running>& from, int rounds);
  absl::Status Launch(std::vector<Running>& sequences, int64_t tokens, bool decode);
  absl::Status Finish(size_t leave);

  const std::string name_;
  const ModelConfig& model_;
  const Ceilings ceilings_;
  const DType activation_;
  const int32_t chunk_;
  const int64_t fill_;
  const std::vector<int32_t> drafts_;
  Backend* const backend_;
  const SamplingParams sampling_;  // random draws: greedy text of random weights soon repeats itself
  std::vector<int32_t> prompt_;
  uint64_t step_ = 0;
  size_t in_flight_ = 0;
};

}  // namespace batucada
