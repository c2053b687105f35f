// Packs a plan into the flat arrays that kernels read: one host buffer, one copy to the device.
#pragma once

#include <array>
#include <cstdint>

#include "engine/model/forward.h"
#include "engine/model/step_view.h"
#include "engine/schedule/batch_plan.h"
#include "kernels/batch_view.h"
#include "kernels/ops.h"

namespace batucada {

// How large a step is on the device, where each row of a decode share is a sequence; decode-only steps may be padded
// with rows that live on the scratch slot and block.
struct StepShape {
  int32_t tokens = 0;                                   // rows, padding included
  int32_t sequences = 0;                                // likewise
  int32_t samples = 0;                                  // likewise
  std::array<int32_t, kMaxKvGroups> table_widths = {};  // by K/V group: blocks per sequence
  bool drafts = false;                                  // BatchPlan::has_drafts, or room for such
};

struct StepScratch {
  PageId slot = 0;
  PageId first_draft = 0;                        // and behind it one for each draft of a step
  int32_t drafts = 0;                            // how many
  std::array<PageId, kMaxKvGroups> blocks = {};  // by K/V group
};

// Where the masks of a constrained plan's draws will lie on the device, one after the other.
struct StepMasks {
  const uint32_t* device = nullptr;
  int64_t words = 0;  // of one
};

class StepInputs {
 public:
  // Bytes that a step of this shape takes. Addresses inside depend on the shape alone, so that CUDA graphs of one
  // shape find their inputs at the same place.
  static size_t Bytes(const StepShape& shape);

  // Writes the plan to `host`, [Bytes(shape)], and returns views of the same bytes at `device`. Decode rows and
  // sequences beyond the plan's are padding. What the step reads of the device's own state is the caller's to fill in.
  // REQUIRES: shape is at least the plan's; padding only if all rows decode.
  static void Pack(const BatchPlan& plan, const StepShape& shape, const StepScratch& scratch, void* host, void* device,
                   StepView* step, SampleView* samples, const StepMasks& masks = {});
};

}  // namespace batucada
