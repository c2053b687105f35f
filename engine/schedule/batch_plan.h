// What one step computes, and what came out of it. Host data only: ids and counts, no bytes of any device.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "engine/core/request.h"
#include "engine/pages/page_allocator.h"
#include "engine/pages/page_copy.h"

namespace batucada {

// One sequence's share of a step: `num_tokens` rows at positions start, start + 1, …
struct PlannedSequence {
  SequenceId id = 0;
  PageId slot = 0;
  int64_t start = 0;
  int32_t num_tokens = 0;
  std::span<const int32_t> tokens;  // [num_tokens] prompt ids; empty for a decode row, which continues from the token
                                    // its slot sampled last, known to the device before the host
  std::span<const std::vector<PageId>> blocks;  // by K/V group, each as in BatchView::block_table
  const Request* controlled = nullptr;  // set in the first chunk of a request that changes logits: its slot's controls
                                        // are to be written before anything is drawn
};

// One row whose logits are wanted.
struct PlannedSample {
  int32_t row = 0;  // in the step, decode rows first
  PageId slot = 0;
  int64_t position = 0;  // of the token being drawn or scored
  int32_t target = -1;   // score this prompt token; -1: draw one
  int32_t num_top = 0;   // alternatives to report
  const SamplingParams* sampling = nullptr;
  int64_t first_end_position = 0;         // where min_tokens are drawn: from here on the text may end
  TokenConstraint* constraint = nullptr;  // of a row that draws: asked for its mask when the draw is due; null: none
  int64_t* mask_steps = nullptr;          // what making that mask may take, and is taken from; valid until the draw
};

// Spans and pointers stay valid until the step is committed.
struct BatchPlan {
  uint64_t step = 0;                       // 1, 2, 3, …
  int32_t num_decode = 0;                  // the first so many sequences are decode rows
  int32_t num_tokens = 0;                  // rows in all
  std::vector<PlannedSequence> sequences;  // decode rows, then prompt chunks
  std::vector<PlannedSample> samples;      // in row order
  PlannedCopies copies;                    // of state, around the rows; a plan may be nothing but copies
  bool constrained = false;                // some sample has a constraint: see Backend::Draw
  std::vector<SequenceId> admitted;        // who has a slot since this plan, in this order; some have no row yet
};

// A token that was to be drawn has the id kNothingDrawn where the logits left none: all of them were taken away, or
// none was a number.
inline constexpr int32_t kNothingDrawn = -1;

struct StepResult {
  uint64_t step = 0;
  std::vector<TokenResult> samples;  // one for each of the plan's, in its order
};

}  // namespace batucada
