// Memory for one step's activations, allocated once for the largest step and reused by every layer.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/model/model_config.h"
#include "kernels/ops.h"

namespace batucada {

// What a step's rows carry from one layer to the next. "act" is the device's activation type.
struct CarriedRows {
  Tensor residual;  // [rows, d_model] fp32
  Tensor normed;    // [rows, d_model] act
  Tensor memory;    // [rows, E] act: what GMU layers gate; empty without such
};

struct WorkspaceSizes {
  int32_t rows = 0;        // T: of a step
  int32_t short_rows = 0;  // of one that runs between the parts of another
  int32_t logit_rows = 0;  // L
};

struct Workspace {
  static absl::StatusOr<Workspace> Create(const ModelConfig& config, const WorkspaceSizes& sizes, Ops& ops);
  // What Create allocates.
  static int64_t Bytes(const ModelConfig& config, const WorkspaceSizes& sizes, DType activation);

  // Views are of all rows and of the widest layer; a step uses the first of them.
  CarriedRows carried;        // [T]
  CarriedRows short_carried;  // apart, so that steps cut between layers find theirs unchanged
  Tensor wide;                // [T, max(2E, (H + 2G)·d, 2·mlp)] act: x and z; q, k and v; gate and up
  Tensor inner;               // [T, max(E, H·d, mlp)] act: convolution's, attention's and MLP's output
  Tensor low_rank;            // [T, dt_rank + 2N] act: δ's low rank, B, C
  Tensor raw_low_rank;        // [T, dt_rank + 2N] fp32: the same before inner norms; empty without
  Tensor dt;                  // [T, E] act
  Tensor scan;                // [T, E] act
  Tensor last_hidden;         // [L, d_model] fp32: rows whose logits are wanted
  Tensor last_normed;         // [L, d_model] act
  Tensor last_memory;         // [L, E] act: of the same rows; empty without GMU layers
  Tensor logits;              // [L, vocab] fp32
  Buffer storage;
};

}  // namespace batucada
