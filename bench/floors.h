// What no implementation of a model can do better than, on a device of given ceilings:
//   decode   max(weight bytes / bw, 2·P·B / flops) + B·(2·(SSM + conv) + K/V read) / bw     seconds per step
//   prefill  flops / (2·P + attention)                                                    tokens per second
// P are the weights that a token is multiplied with; of a prompt's tokens those of the layers that serve nothing but
// logits are not (ModelConfig::sampled_from). Keys and values count once for each layer that reads them, be they its
// own or another's: between two such layers lie megabytes of weights.
#pragma once

#include <cstdint>

#include "bench/ceilings.h"
#include "engine/model/model_config.h"
#include "kernels/tensor.h"

namespace batucada {

// Bytes of keys and values that a decode step of one sequence reads with so many tokens behind it.
double KvBytesRead(const ModelConfig& model, DType activation, int64_t context);
// Seconds of a decode step, matrices in bf16.
double DecodeFloor(const ModelConfig& model, const Ceilings& ceilings, DType activation, int32_t batch,
                   int64_t context);
// Floating-point operations of a prompt's token, on average over a prompt of `length`.
double PromptTokenFlops(const ModelConfig& model, int64_t length);

}  // namespace batucada
