// What a device can do at best, measured in the same run as the model that is held against it.
#pragma once

#include "absl/status/statusor.h"
#include "engine/engine_config.h"
#include "kernels/ops.h"

namespace batucada {

struct Ceilings {
  double bytes_per_s = 0;  // CPU: streaming reads, all threads; GPU: a large copy, reads and writes both counted
  double flops_per_s = 0;  // CPU: products in registers; GPU: cuBLASLt bf16, 8192³, random values
};

// Of the CPU with `threads` threads (kernels/bench/cpu_ceilings.h).
Ceilings MeasureCpu(int threads);
absl::StatusOr<Ceilings> MeasureGpu(Ops& ops);

}  // namespace batucada
