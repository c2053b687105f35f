#include "engine/state/budget.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/human_bytes.h"

namespace batucada {
namespace {

// Without a window a sequence's memory grows with its length; slots are then dealt for sequences of this many tokens.
constexpr int64_t kCommonTokens = 8192;

}  // namespace

absl::StatusOr<Budget> ComputeBudget(const BudgetRequest& r) {
  const int64_t state = r.shape.SlotBytes(), controls = r.shape.ControlBytes();
  const int64_t slot = state + controls;
  const int64_t block = r.shape.BlockBytes();
  const int64_t per_sequence_blocks = r.shape.BlocksFor(r.max_total_tokens);
  const int64_t usable = static_cast<int64_t>(r.fraction * static_cast<double>(r.device_bytes));
  const int64_t fixed = r.weight_bytes + r.workspace_bytes + slot + block;  // one scratch slot, one scratch block
  const int64_t room = usable - fixed;
  const int64_t wanted = r.pool_bytes > 0 ? r.pool_bytes : std::max<int64_t>(room, 0);
  // A sequence needs at least one block of K/V, and the largest one needs the whole ring.
  const int64_t largest = slot + per_sequence_blocks * block;
  if (room < largest || wanted < largest) {
    return absl::ResourceExhaustedError(
        absl::StrCat("not even one sequence fits: of ", HumanBytes(r.device_bytes), " free, ", HumanBytes(usable),
                     " may be used (memory fraction ", r.fraction, "); weights take ", HumanBytes(r.weight_bytes),
                     ", the workspace ", HumanBytes(r.workspace_bytes), ", scratch ", HumanBytes(slot + block),
                     r.pool_bytes > 0 ? absl::StrCat(", the pools may take ", HumanBytes(r.pool_bytes)) : "",
                     ", and one sequence of ", r.max_total_tokens, " tokens needs ", HumanBytes(largest),
                     "; lower max-total-tokens or max-batch-tokens, raise pool-memory, or use a larger device"));
  }
  const int64_t pool = std::min(room, wanted);
  // As many slots as sequences of a common length would fill the pool. With a window that is every length above it.
  const int64_t common = slot + r.shape.BlocksFor(std::min(r.max_total_tokens, kCommonTokens)) * block;
  const int64_t slots = std::clamp<int64_t>(pool / std::max<int64_t>(common, 1), 1, r.max_sequences);
  int64_t blocks = 0;
  if (block > 0) {
    blocks = std::min({(pool - slots * slot) / block, slots * per_sequence_blocks,
                       static_cast<int64_t>(std::numeric_limits<int32_t>::max() / 2)});
  }
  Budget budget{.slots = static_cast<int32_t>(slots),
                .blocks = static_cast<int32_t>(blocks),
                .blocks_per_sequence = static_cast<int32_t>(per_sequence_blocks)};
  const auto line = [&](std::string_view what, int64_t bytes, std::string_view note) {
    absl::StrAppendFormat(&budget.report, "  %-22s %12s  %s\n", what, HumanBytes(bytes), note);
  };
  line("weights", r.weight_bytes, "");
  line("workspace", r.workspace_bytes, "activations, logits, packed inputs");
  line("recurrent slots", (slots + 1) * state, absl::StrCat(slots, " + 1 scratch, ", HumanBytes(state), " each"));
  line("sampling controls", (slots + 1) * controls, absl::StrCat("of each slot ", HumanBytes(controls)));
  line("K/V blocks", (blocks + 1) * block,
       absl::StrCat(blocks, " + 1 scratch, ", r.shape.block_tokens, " tokens, ", HumanBytes(block), " each"));
  line("sum", fixed + slots * slot + blocks * block,
       absl::StrCat("of ", HumanBytes(r.device_bytes), " free; ", slots, " sequences at once, up to ",
                    HumanBytes(largest), " each"));
  return budget;
}

}  // namespace batucada
