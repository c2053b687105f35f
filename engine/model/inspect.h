// What a model is and what serving it takes, as numbers and as text for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/model/model_config.h"
#include "kernels/tensor.h"

namespace batucada {

struct InspectOptions {
  DType weight_dtype = DType::kBf16;      // matrices
  DType activation_dtype = DType::kBf16;  // convolution state and K/V; bf16 on CUDA, fp32 on the CPU
  int64_t context_tokens = 0;             // longest text; matters where attention has no window. 0: as trained
  int64_t memory_bytes = 0;               // of the device, for the question how many sequences fit; 0: not asked
};

// Bytes that one sequence holds while it lives.
struct SequenceBytes {
  int64_t ssm = 0;   // [d_inner, d_state] fp32 in every Mamba layer
  int64_t conv = 0;  // [d_inner, conv_width - 1] in every Mamba layer
  int64_t kv = 0;    // K and V of the tokens in the window, or of all context_tokens, in every attention layer
  int64_t total() const { return ssm + conv + kv; }
};

struct ModelSizes {
  int64_t parameters = 0;
  int64_t matmul_parameters = 0;
  int64_t weight_bytes = 0;
  int64_t kv_tokens = 0;  // tokens whose K/V a sequence keeps, in the layer that keeps most: min(window, context)
  SequenceBytes sequence;
  int64_t control_bytes = 0;       // that a sequence holds besides, if it has penalties, biases, bans or least lengths
  int64_t sequences_that_fit = 0;  // beside the weights in memory_bytes. An upper bound: the server also needs room for
                                   // activations, and rounds K/V up to blocks
};

ModelSizes MeasureModel(const ModelConfig& config, const InspectOptions& options);

// MeasureModel in words, several lines, ending with a newline. `name` heads it.
std::string DescribeModel(const ModelConfig& config, const InspectOptions& options, std::string_view name);

}  // namespace batucada
