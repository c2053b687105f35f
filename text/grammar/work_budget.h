// How much making a grammar, or running it, may cost: steps of bounded size, so that the bound holds on any machine.
#pragma once

#include <cstdint>

namespace batucada::grammar {

class WorkBudget {
 public:
  explicit WorkBudget(int64_t steps) : left_(steps) {}
  // False once it is used up, and from then on.
  bool Spend(int64_t steps = 1) { return (left_ -= steps) >= 0; }
  bool spent() const { return left_ < 0; }
  int64_t left() const { return left_; }

 private:
  int64_t left_;
};

}  // namespace batucada::grammar
