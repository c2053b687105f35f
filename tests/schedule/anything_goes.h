// A grammar that takes nothing away: a mask of it takes one step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "engine/core/request.h"

namespace batucada {

class AnythingGoes : public Constraint {
 public:
  std::unique_ptr<TokenConstraint> Begin() const override { return std::make_unique<Tokens>(); }
  int64_t bytes() const override { return 0; }

 private:
  class Tokens : public TokenConstraint {
   public:
    absl::Status Mask(std::span<uint32_t> mask, int64_t* steps) override {
      std::fill(mask.begin(), mask.end(), ~0u);
      --*steps;
      return absl::OkStatus();
    }
    const absl::Status& failure() const override { return none_; }
    void Accept(int32_t, int64_t*) override {}
    int64_t cost() const override { return 1; }
    bool finished() const override { return false; }

   private:
    const absl::Status none_;
  };
};

}  // namespace batucada
