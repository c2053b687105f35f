// One sequence from submission to its end, as the scheduler keeps it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "engine/core/request.h"
#include "engine/pages/page_allocator.h"
#include "engine/schedule/parking.h"
#include "engine/schedule/prefix_use.h"
#include "engine/schedule/shares.h"

namespace batucada {

struct Sequence {
  SequenceId id = 0;
  Request request;
  Owner owner;
  std::unique_ptr<TokenConstraint> constraint;  // null: none
  Finish finish;                                // filled in as marks are passed; handed out once
  absl::Time last_token = absl::InfinitePast();

  PageId slot = -1;                         // while running
  PageId control_row = -1;                  // while running, if it is controlled
  std::vector<std::vector<PageId>> blocks;  // while running: by K/V group, each as in BatchView::block_table
  uint64_t admission = 0;                   // 1, 2, 3, … in this order they were admitted; 0: it was not
  uint64_t placed_in = 0;                   // the plan that dealt it its places, or fills or takes them

  Parking parking;
  std::unique_ptr<PrefixUse> prefix;  // null: it has nothing to do with the cache of prefixes
  int64_t first_position = 0;         // where its own computing begins: a checkpoint gave it what comes before

  int64_t planned_tokens = 0;   // positions computed or in flight, if all rows in flight are kept
  int64_t planned_samples = 0;  // tokens drawn or in flight, likewise
  int32_t undecided = 0;        // rows in flight that may be rejected
  int32_t steps_in_flight = 0;  // launched and not committed
  int32_t sat_out = 0;          // plans in a row that its grammar has kept it out of
  int32_t turn = 0;             // of its prompt, while a plan is made
  bool in_parts = false;        // in a step whose last part is not launched: no other plan may have it
  bool ended = false;           // its end has been told; what is still in flight is dropped

  // It needs a control row.
  bool controlled() const { return request.sampling.controls_logits(); }
  int64_t prompt_length() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t prompt_left() const { return planned_tokens < prompt_length() ? prompt_length() - planned_tokens : 0; }
  // Rows that its next chunk may have.
  int64_t chunk_left() const {
    if (parking.arriving || in_parts) return 0;
    if (prefix == nullptr) return prompt_left();
    if (prefix->waits()) return 0;
    if (prefix->next == prefix->promised.size()) return prompt_left();
    return std::min(prompt_left(), prefix->promised[prefix->next]->position() - planned_tokens);
  }
  // The prompt is planned and another token may be drawn, whatever those in flight are and however many are kept.
  bool wants_decode() const {
    return !ended && !parking.arriving && !in_parts && prompt_left() == 0 && planned_samples < request.max_tokens;
  }
  // Positions that will ever be computed: the last token drawn is not fed back.
  int64_t total_positions() const { return prompt_length() + (request.max_tokens > 0 ? request.max_tokens - 1 : 0); }
};

inline bool MoreUrgent(const Sequence* a, const Sequence* b) { return a->request.priority < b->request.priority; }

}  // namespace batucada
