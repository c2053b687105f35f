// What one step computes, and what came out of it. Host data only: ids and counts, no bytes of any device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "engine/core/request.h"
#include "engine/pages/page_allocator.h"
#include "engine/pages/page_copy.h"

namespace batucada {

// One sequence's share of a step: `num_tokens` rows at positions start, start + 1, …
//
// A decode share is k >= 1 rows, of which each draws. The first continues from the token that the slot drew last, known
// to the device before the host; the others are fed drafts (drafter.h). A row is kept if all before it are and the one
// before it drew what this one was fed; so the first always is. The sequence goes on behind the last row that is kept
// as if there had been no other: its state is that row's, and the slot's last token what that row drew. Noise is named
// by seed, position and id, so that the text is the one that single rows draw.
struct PlannedSequence {
  SequenceId id = 0;
  PageId slot = 0;
  int64_t start = 0;      // of a decode share: if all rows in flight are kept
  int32_t undecided = 0;  // so many of these may be rejected. The share, and its samples, then begin as many positions
                          // earlier: the device knows where
  int32_t num_tokens = 0;
  std::span<const int32_t> tokens;       // [num_tokens] prompt ids; none of a decode share
  std::span<const int32_t> drafts = {};  // [num_tokens - 1] of a decode share: what its second, third, … row is fed
  std::span<const std::vector<PageId>> blocks;  // by K/V group, each as in BatchView::block_table
  PageId control_row = -1;                      // of a request that changes logits; -1: it does not
  const Request* controlled = nullptr;  // set in its first chunk: the control row is to be written before anything is
                                        // drawn
};

// One row whose logits are wanted.
struct PlannedSample {
  int32_t row = 0;  // in the step, decode shares first
  PageId slot = 0;
  int64_t position = 0;  // of the token being drawn or scored; see PlannedSequence::undecided
  int32_t target = -1;   // score this prompt token; -1: draw one
  int32_t num_top = 0;   // alternatives to report
  const SamplingParams* sampling = nullptr;
  PageId control_row = -1;                // of its sequence
  int64_t first_end_position = 0;         // where min_tokens are drawn: from here on the text may end
  TokenConstraint* constraint = nullptr;  // of a row that draws: asked for its mask when the draw is due; null: none
  int64_t* mask_steps = nullptr;          // what making that mask may take, and is taken from; valid until the draw
};

// Somebody's places were dealt or taken back.
struct Placement {
  enum class Kind : uint8_t { kAdmitted, kParked, kReturned };
  SequenceId id = 0;
  Kind kind = Kind::kAdmitted;
};

// Prompt rows that a short step has at most, where the longest have `max_batch_tokens`: it takes little longer than the
// weights need to be read. Of 1.7B on an H200 2 ms, where a long one takes 27.
inline int32_t ShortPromptRows(int32_t max_batch_tokens) { return std::min(128, max_batch_tokens / 8); }

// Spans and pointers stay valid until the step is committed.
struct BatchPlan {
  uint64_t step = 0;                       // 1, 2, 3, …
  int32_t num_decode = 0;                  // the first so many sequences are decode shares
  int32_t num_tokens = 0;                  // rows in all
  std::vector<PlannedSequence> sequences;  // decode shares, then prompt chunks
  std::vector<PlannedSample> samples;      // in row order
  PlannedCopies copies;                    // of state, around the rows; a plan may be nothing but copies, or placements
  bool constrained = false;                // some sample has a constraint: see Backend::Draw
  bool in_parts = false;                   // of prompts alone, and long: launched a part at a time, and short steps
                                           // may run between the parts (Backend::LaunchParts)
  std::vector<Placement> placements;       // since the plan before, as they were decided: an urgent one, and then who
                                           // is parked for it; some have no row yet

  int32_t decode_rows() const {
    int32_t rows = 0;
    for (int32_t i = 0; i < num_decode; ++i) rows += sequences[static_cast<size_t>(i)].num_tokens;
    return rows;
  }
  // Whether rows of it may be rejected, or begin where only the device knows.
  bool has_drafts() const {
    return std::any_of(sequences.begin(), sequences.begin() + num_decode,
                       [](const PlannedSequence& s) { return s.num_tokens > 1 || s.undecided > 0; });
  }
  std::vector<SequenceId> admitted() const {
    std::vector<SequenceId> ids;
    for (const Placement& placement : placements) {
      if (placement.kind == Placement::Kind::kAdmitted) ids.push_back(placement.id);
    }
    return ids;
  }
};

// A token that was to be drawn has the id kNothingDrawn where the logits left none: all of them were taken away, or
// none was a number.
inline constexpr int32_t kNothingDrawn = -1;

struct StepResult {
  uint64_t step = 0;
  std::vector<TokenResult> samples;  // one for each of the plan's, in its order; of rows that are not kept any
  std::vector<int32_t> kept = {};    // rows of each decode share; empty: all, of shares of one row
};

}  // namespace batucada
