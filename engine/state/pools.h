// The bytes behind what sequences hold (state_shape.h), allocated once, and the views kernels see of them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/pages/idle_pages.h"
#include "engine/pages/page_allocator.h"
#include "engine/pages/page_copy.h"
#include "engine/state/state_shape.h"
#include "kernels/batch_view.h"
#include "kernels/ops.h"

namespace batucada {

// Pages of each tier, without scratch; those of the cache of prefixes may be none.
struct PoolSizes {
  TierSize running, device, host, parked;
  int32_t control_rows = 0;
  int32_t drafts = 0;  // slots for drafts of one step
};

// Every pool but that of controls has one page more, scratch, for the padded rows of captured steps; live state is
// never used as padding.
//
//   slots          [slots + 1 + drafts][recurrent group][layer]{ssm, conv}
//   last_token     [slots + 1 + drafts] int32: what the slot's next decode row continues from
//   next_position  [slots + 1 + drafts] int32: where it stands, while that is known here alone (Ops::KeepDrafts)
//   controls       [control rows]{TokenControl[vocab], BannedPhrases}, see kernels/token_controls.h; in kParked, as
//                  many as slots
//   blocks         by K/V group: [blocks + 1][layer][K, V][kv_heads][block_tokens][head_dim]
//
// Pages of checkpoints in kDevice lie behind the scratch page of the same pools; those in kHost in memory of the
// host's, and those in kParked behind these.
class StatePools {
 public:
  static absl::StatusOr<StatePools> Create(const StateShape& shape, const PoolSizes& sizes, Ops& ops);

  const StateShape& shape() const { return shape_; }
  PageId scratch_slot() const { return sizes_.running.slots; }
  PageId first_draft_slot() const { return scratch_slot() + 1; }
  PageId scratch_block(size_t kv_group) const { return sizes_.running.blocks[kv_group]; }

  RecurrentView Recurrent(CacheId cache) const;
  KvView Kv(CacheId cache) const;
  int32_t* last_token() const { return last_token_.device.As<int32_t>(); }
  int32_t* next_position() const { return next_position_.As<int32_t>(); }
  char* slots() const { return slots_.device.As<char>(); }
  ControlView controls() const { return {.rows = controls_.device.As<char>(), .row_bytes = shape_.ControlBytes()}; }

  // The bytes of a page of kHost: for kSlots, those of the slot and of its last token. Appended to `out`.
  void HostBytes(int32_t group, PageId page, std::vector<std::span<char>>* out) const;
  // Tells the device that nobody needs what the pages hold. A parked slot's control row goes with it; last tokens, of a
  // few bytes each, stay.
  void Discard(const PoolPages& pages, Device& device);
  // Where the pages of copies within and between tiers lie, for Device::CopyPieces.
  std::vector<CopyPiece> Pieces(const std::vector<PageCopy>& copies) const;

 private:
  // One kind of page: slots, their last tokens, control rows, or blocks of a group.
  struct Pool {
    int64_t page_bytes = 0;
    int32_t first_cached = 0;  // index of kDevice's page 0
    int32_t first_parked = 0;  // likewise of kParked's, in the host's memory
    Buffer device, host;
    char* Page(PageRef page) const {
      const bool on_host = page.tier == Tier::kHost || page.tier == Tier::kParked;
      const int32_t first = page.tier == Tier::kDevice ? first_cached : page.tier == Tier::kParked ? first_parked : 0;
      return (on_host ? host : device).As<char>() + (int64_t{first} + page.page) * page_bytes;
    }
  };
  // How many pages, by tier; without scratch.
  using Counts = std::array<int32_t, kTiers>;
  static absl::StatusOr<Pool> MakePool(int64_t page_bytes, const Counts& pages, int32_t scratch, const char* what,
                                       Ops& ops);

  StatePools(StateShape shape, PoolSizes sizes) : shape_(std::move(shape)), sizes_(std::move(sizes)) {}

  StateShape shape_;
  PoolSizes sizes_;
  std::vector<int64_t> group_offset_;  // bytes from a slot's begin to its recurrent group
  Pool slots_;
  Pool last_token_;
  Buffer next_position_;
  Pool controls_;
  std::vector<Pool> blocks_;  // by K/V group
};

}  // namespace batucada
