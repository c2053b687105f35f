// The model itself: token ids in, logits out. Reads like the paper (arXiv 2406.07522, §2).
#pragma once

#include <cstdint>

#include "engine/model/model_config.h"
#include "engine/model/step_view.h"
#include "engine/model/weights.h"
#include "engine/model/workspace.h"
#include "engine/state/pools.h"
#include "kernels/ops.h"

namespace batucada {

struct Model {
  ModelConfig config;
  Weights weights;
  StatePools state;
  Workspace workspace;
};

// Rows whose logits are wanted, and where the results go; all pointers in device memory.
struct SampleView {
  int32_t count = 0;
  const int32_t* rows = nullptr;          // [count] rows of the step
  const RowSampling* sampling = nullptr;  // [count]
  RowSample* results = nullptr;           // [count] out
  ControlView controls;                   // read and written for rows that are controlled
  int32_t* last_token = nullptr;          // [slots] out: what decode rows continue from
};

// Embeds the batch, runs every layer that all rows go through and updates the state of every sequence in it.
void Forward(const Model& model, const StepView& step, Ops& ops);
// Of how many parts that consists: the mixers and the MLPs of these layers. Between two of a step's parts others may
// run, of other sequences and in other CarriedRows.
int32_t CountParts(const ModelConfig& config);
// Parts [first, end) of it, in order.
void ForwardParts(const Model& model, const StepView& step, int32_t first, int32_t end, Ops& ops);
// The layers that serve nothing but a row's own logits (ModelConfig::sampled_from), final norm and logits, only for the
// rows that want them. Behind Forward of the same step. REQUIRES: no more rows than the workspace has logits for.
void ComputeLogits(const Model& model, const StepView& step, const SampleView& samples, Ops& ops);
// Draws or scores what these rows want from the logits that ComputeLogits left.
void DrawRows(const Model& model, const SampleView& samples, Ops& ops);
// Both, for any number of rows: as many at a time as the workspace holds.
void SampleRows(const Model& model, const StepView& step, const SampleView& samples, Ops& ops);

}  // namespace batucada
