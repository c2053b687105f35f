// Sums and gathers between the ops of ranks: devices that each hold a part of every weight and run the same steps.
#pragma once

#include "kernels/tensor.h"

namespace batucada {

// Called by every rank with the same shapes in the same order, as part of its device's work. Used by one thread.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;   // 0 … ranks() - 1
  virtual int ranks() const = 0;  // >= 1
  // values = Σ over ranks of their values, the same bits on every rank.                   values [rows, cols] fp32
  virtual void AllReduceSum(Tensor values) = 0;
  // Each rank has filled its share of the columns, the rank-th of ranks() equal ones; afterwards all have them all.
  virtual void AllGatherColumns(Tensor values) = 0;
};

// Of a device that is alone: there is nobody to talk to.
class NullCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int ranks() const override { return 1; }
  void AllReduceSum(Tensor) override {}
  void AllGatherColumns(Tensor) override {}
};

}  // namespace batucada
