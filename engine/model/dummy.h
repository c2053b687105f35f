// Random weights, for measuring speed without a checkpoint.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/model/model_config.h"
#include "engine/model/tensor_source.h"

namespace batucada {

// Weights that depend on nothing but config, seed and tensor name. Matrices are bf16 from N(0, 0.02²); norms and D are
// 1; A_log, the convolution and the time-step bias are drawn as Mamba initialises them (arXiv 2312.00752, §3.6), so
// that activations stay finite at any depth and length.
//
// All matrices are windows into one table as long as the largest of them, which repeats a million random numbers: Get
// copies nothing, and a model of any size loads as fast as its reader reads. Memory: the table, 2 bytes an element of
// the largest matrix, and the fp32 vectors that were asked for.
std::unique_ptr<TensorSource> MakeDummySource(const ModelConfig& config, uint64_t seed);

}  // namespace batucada
