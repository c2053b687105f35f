// The lengths and shared blocks of a trace, with made-up prompts.
#pragma once

#include <utility>
#include <vector>

#include "loadtest/workload/prompt_maker.h"
#include "loadtest/workload/trace.h"
#include "loadtest/workload/workload.h"

namespace batucada::loadtest {

class TraceWorkload : public Workload {
 public:
  // Lengths are multiplied by `length_scale`, blocks too, and stay at least 1. `prompts` outlives this.
  TraceWorkload(const PromptMaker& prompts, uint64_t seed, std::vector<TraceRow> rows, double length_scale)
      : prompts_(prompts), seed_(seed), rows_(std::move(rows)), length_scale_(length_scale) {}

  // REQUIRES: index < size().
  Session Make(uint64_t index) const override;
  std::optional<uint64_t> size() const override { return rows_.size(); }

 private:
  int64_t Scaled(int64_t tokens) const;

  const PromptMaker& prompts_;
  const uint64_t seed_;
  const std::vector<TraceRow> rows_;
  const double length_scale_;
};

}  // namespace batucada::loadtest
