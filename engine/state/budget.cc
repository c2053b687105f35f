#include "engine/state/budget.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/human_bytes.h"

namespace batucada {
namespace {

// Where K/V grows with the text, slots are dealt for sequences of this many tokens.
constexpr int64_t kCommonTokens = 8192;
// Most of what is said again are conversations of this length; longer ones take more blocks.
constexpr int64_t kUsualPrompt = 2048;
constexpr int64_t kMostCheckpoints = 1 << 20;
// Where nobody says how much: one part in so many of what is free beside weights and workspace, for half as many
// checkpoints as sequences at most.
constexpr int64_t kAutomaticShare = 16;
// Of the pools, what controls take where nobody says how many sequences may have any.
constexpr int64_t kControlsShare = 16;
constexpr int64_t kMostBlocks = std::numeric_limits<int32_t>::max() / 2;

// Bytes of one block of every group.
int64_t OneOfEach(const StateShape& shape) {
  int64_t bytes = 0;
  for (const KvGroup& g : shape.kv) bytes += shape.BlockBytes(g);
  return bytes;
}

// Blocks of a group for so many sequences of a common length; at least what the longest needs.
int64_t CommonBlocks(const BudgetRequest& r, const KvGroup& g, int64_t slots) {
  const int64_t common = r.shape.BlocksFor(g, std::min(r.max_total_tokens, kCommonTokens));
  return std::max(slots * common, r.shape.BlocksFor(g, r.max_total_tokens));
}

// Bytes of so many slots with such blocks.
int64_t CommonBytes(const BudgetRequest& r, int64_t slot, int64_t slots) {
  int64_t bytes = slots * slot;
  for (const KvGroup& g : r.shape.kv) bytes += CommonBlocks(r, g, slots) * r.shape.BlockBytes(g);
  return bytes;
}

// As many slots as sequences of a common length would fill the pool.
int64_t CountSlots(const BudgetRequest& r, int64_t slot, int64_t pool) {
  int64_t fits = 1, too_many = int64_t{r.max_sequences} + 1;
  while (too_many - fits > 1) {
    const int64_t middle = (fits + too_many) / 2;
    (CommonBytes(r, slot, middle) <= pool ? fits : too_many) = middle;
  }
  return fits;
}

// What `bytes` hold: of every group what its share of them holds, no more than all slots can use.
std::vector<KvGroupSize> CountBlocks(const BudgetRequest& r, int64_t slots, int64_t bytes) {
  std::vector<KvGroupSize> groups;
  double missing = 0;  // bytes that the groups could use beyond the common blocks
  for (const KvGroup& g : r.shape.kv) {
    const int64_t most = r.shape.BlocksFor(g, r.max_total_tokens), common = CommonBlocks(r, g, slots);
    groups.push_back({.blocks = static_cast<int32_t>(std::min(common, kMostBlocks)),
                      .most_per_sequence = static_cast<int32_t>(most),
                      .grows = g.grows()});
    bytes -= common * r.shape.BlockBytes(g);
    missing += static_cast<double>((slots * most - common) * r.shape.BlockBytes(g));
  }
  if (missing <= 0) return groups;
  const double given = std::min(1.0, static_cast<double>(bytes) / missing);
  for (size_t i = 0; i < groups.size(); ++i) {
    const int64_t more = slots * groups[i].most_per_sequence - CommonBlocks(r, r.shape.kv[i], slots);
    const auto dealt = groups[i].blocks + static_cast<int64_t>(given * static_cast<double>(more));
    groups[i].blocks = static_cast<int32_t>(std::min(dealt, kMostBlocks));
  }
  return groups;
}

// Pages for checkpoints in so many bytes: as many as of texts of a usual length fit, though the longest must.
TierSize CountCheckpoints(const BudgetRequest& r, Tier tier, int64_t bytes, int64_t free) {
  TierSize size;
  const bool automatic = bytes == kAutomatic;
  int64_t usual = std::max<int64_t>(r.shape.SlotBytes(), 1), longest = usual;
  const auto elsewhere = [tier](const KvGroup& g) { return tier == Tier::kDevice && g.grows(); };
  for (const KvGroup& g : r.shape.kv) {
    if (elsewhere(g)) continue;
    usual += r.shape.BlocksFor(g, std::min(r.max_total_tokens, kUsualPrompt)) * r.shape.BlockBytes(g);
    longest += r.shape.BlocksFor(g, std::min(r.max_total_tokens, kCommonTokens)) * r.shape.BlockBytes(g);
  }
  if (automatic) bytes = std::min(free / kAutomaticShare, std::max(usual * (r.max_sequences / 2), 4 * longest));
  if (bytes < longest) return size;
  size.slots = static_cast<int32_t>(std::min(bytes / usual, kMostCheckpoints));
  for (const KvGroup& g : r.shape.kv) {
    const int64_t each = r.shape.BlocksFor(g, std::min(r.max_total_tokens, kUsualPrompt));
    const int64_t least = r.shape.BlocksFor(g, std::min(r.max_total_tokens, kCommonTokens));
    const int64_t blocks = elsewhere(g) ? 0 : std::max(size.slots * each, least);
    size.blocks.push_back(static_cast<int32_t>(std::min(blocks, kMostBlocks)));
  }
  return size;
}

// Pages for so many sequences of a common length that are put aside.
TierSize CountParked(const BudgetRequest& r) {
  TierSize size{.slots = r.parked_sequences, .blocks = {}};
  for (const KvGroup& g : r.shape.kv) {
    const int64_t each = r.shape.BlocksFor(g, std::min(r.max_total_tokens, kCommonTokens));
    size.blocks.push_back(static_cast<int32_t>(std::min(size.slots * each, kMostBlocks)));
  }
  return size;
}

int64_t CheckpointBytes(const StateShape& shape, const TierSize& size) {
  int64_t bytes = size.slots * shape.SlotBytes();
  for (size_t g = 0; g < size.blocks.size(); ++g) bytes += size.blocks[g] * shape.BlockBytes(shape.kv[g]);
  return bytes;
}

// Control rows in pools of so many bytes, beside one sequence of the longest.
int64_t CountControlRows(const BudgetRequest& r, int64_t pool) {
  const int64_t bytes = std::max<int64_t>(r.shape.ControlBytes(), 1);
  if (r.controlled_sequences > 0) return std::min(r.controlled_sequences, r.max_sequences);
  const int64_t beside = (pool - r.shape.SequenceBytes(r.max_total_tokens)) / bytes;
  return std::clamp<int64_t>(std::min(pool / kControlsShare / bytes, beside), 1, r.max_sequences);
}

std::string NameOfGroup(const StateShape& shape, size_t group) {
  if (shape.kv.size() == 1) return "K/V blocks";
  return absl::StrCat("K/V blocks, ",
                      shape.kv[group].grows() ? "all tokens" : absl::StrCat("window ", shape.kv[group].window));
}

}  // namespace

absl::StatusOr<Budget> ComputeBudget(const BudgetRequest& r) {
  const int64_t state = r.shape.SlotBytes(), controls = r.shape.ControlBytes();
  const int64_t scratch = state + OneOfEach(r.shape);
  const int64_t usable = static_cast<int64_t>(r.fraction * static_cast<double>(r.device_bytes));
  const int64_t fixed = r.weight_bytes + r.workspace_bytes + scratch;
  const int64_t free = std::max<int64_t>(usable - fixed, 0);
  const TierSize prefix = CountCheckpoints(r, Tier::kDevice, r.prefix_bytes, free);
  const int64_t prefix_bytes = CheckpointBytes(r.shape, prefix);
  const int64_t room = usable - fixed - prefix_bytes;
  const int64_t wanted = r.pool_bytes > 0 ? r.pool_bytes : std::max<int64_t>(room, 0);
  const int64_t largest = controls + r.shape.SequenceBytes(r.max_total_tokens);
  // Those that were asked for are there from the start.
  const int64_t asked = std::min(r.controlled_sequences, r.max_sequences),
                more_controls = std::max<int64_t>(asked - 1, 0) * controls;
  if (std::min(room, wanted) < largest + more_controls) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "not even one sequence fits: of ", HumanBytes(r.device_bytes), " free, ", HumanBytes(usable),
        " may be used (memory fraction ", r.fraction, "); weights take ", HumanBytes(r.weight_bytes),
        ", the workspace ", HumanBytes(r.workspace_bytes), ", scratch ", HumanBytes(scratch),
        prefix_bytes > 0 ? absl::StrCat(", checkpoints ", HumanBytes(prefix_bytes)) : "",
        r.pool_bytes > 0 ? absl::StrCat(", the pools may take ", HumanBytes(r.pool_bytes)) : "",
        more_controls > 0 ? absl::StrCat(", the controls of ", asked - 1, " others ", HumanBytes(more_controls)) : "",
        ", and one sequence of ", r.max_total_tokens, " tokens needs ", HumanBytes(largest), "; lower ",
        more_controls > 0 ? "controlled-sequences, " : "",
        "max-total-tokens or max-batch-tokens, raise pool-memory, or use a larger device"));
  }
  const int64_t pool = std::min(room, wanted);
  const int64_t most_rows = CountControlRows(r, pool);
  const int64_t slots = CountSlots(r, state, pool - most_rows * controls);
  const int64_t rows = std::min(most_rows, slots);
  Budget budget{.slots = static_cast<int32_t>(slots),
                .control_rows = static_cast<int32_t>(rows),
                .kv = CountBlocks(r, slots, pool - slots * state - rows * controls),
                .prefix = prefix};
  if (prefix.slots > 0) budget.host = CountCheckpoints(r, Tier::kHost, r.host_bytes, 0);
  budget.parked = CountParked(r);
  const auto line = [&](std::string_view what, int64_t bytes, std::string_view note) {
    absl::StrAppendFormat(&budget.report, "  %-22s %12s  %s\n", what, HumanBytes(bytes), note);
  };
  line("weights", r.weight_bytes, "");
  line("workspace", r.workspace_bytes, "activations, logits, packed inputs");
  line("recurrent slots", (slots + 1) * state, absl::StrCat(slots, " + 1 scratch, ", HumanBytes(state), " each"));
  line("sampling controls", rows * controls,
       absl::StrCat(rows, ", ", HumanBytes(controls), " each, for sequences with penalties, biases or bans"));
  int64_t sum = fixed + slots * state + rows * controls + prefix_bytes;
  for (size_t i = 0; i < budget.kv.size(); ++i) {
    const int64_t block = r.shape.BlockBytes(r.shape.kv[i]), blocks = budget.kv[i].blocks;
    line(NameOfGroup(r.shape, i), (blocks + 1) * block,
         absl::StrCat(blocks, " + 1 scratch, ", r.shape.block_tokens, " tokens, ", HumanBytes(block), " each"));
    sum += blocks * block;
  }
  if (prefix.slots > 0) {
    line("prefix cache", prefix_bytes, absl::StrCat(prefix.slots, " checkpoints of usual prompts"));
  } else if (r.prefix_bytes > 0) {
    line("prefix cache", 0, absl::StrCat("off: ", HumanBytes(r.prefix_bytes), " do not hold one checkpoint"));
  }
  line("sum", sum,
       absl::StrCat("of ", HumanBytes(r.device_bytes), " free; ", slots, " sequences at once, up to ",
                    HumanBytes(largest), " each"));
  if (budget.host.slots > 0) {
    line("host cache", CheckpointBytes(r.shape, budget.host),
         absl::StrCat("of the host's memory; ", budget.host.slots, " checkpoints of usual prompts"));
  }
  if (budget.parked.slots > 0) {
    line("parked sequences", CheckpointBytes(r.shape, budget.parked) + budget.parked.slots * controls,
         absl::StrCat("of the host's memory; ", budget.parked.slots, ", of ",
                      std::min(r.max_total_tokens, kCommonTokens), " tokens each"));
  }
  return budget;
}

}  // namespace batucada
