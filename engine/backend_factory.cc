#include "engine/backend_factory.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "engine/model/state_shape_of.h"
#include "engine/run/fake_backend.h"
#include "engine/run/model_backend.h"
#include "engine/state/budget.h"
#include "kernels/ops.h"

namespace batucada {
namespace {

constexpr int32_t kCpuBatchTokens = 256;
constexpr int32_t kFakeDrafts = 64;
// Of 8,192 rows prompts are 1% faster, and whoever comes meanwhile waits twice as long for a part.
constexpr int32_t kCudaBatchTokens = 4096;

// Threads that read weights beside the one that brings them to the device: as many as keep a disk and the host's bus
// busy.
int LoadThreads(const EngineConfig& config) {
  constexpr int kMost = 8;
  const int cores =
      config.threads > 0 ? config.threads : std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
  return std::min(cores - 1, kMost);
}

BackendChoice MakeFake(const EngineConfig& config, const Checkpoint& checkpoint, const std::vector<int32_t>& end_tokens,
                       std::string* report) {
  const StateShape shape = StateShapeOf(checkpoint.config, config.block_tokens, DType::kF32);
  std::vector<KvGroupSize> kv;
  for (const KvGroup& group : shape.kv) {
    const auto most = static_cast<int32_t>(shape.BlocksFor(group, config.max_total_tokens));
    kv.push_back({.blocks = config.max_sequences * most, .most_per_sequence = most, .grows = group.grows()});
  }
  // Places cost nothing here; as many as a device has for sequences, and some more in the host's memory.
  TierSize prefix, host, parked{.slots = config.parked_sequences, .blocks = {}};
  if (config.prefix_cache == PrefixCacheUse::kOn) prefix.slots = config.max_sequences;
  if (config.host_cache_bytes > 0) host.slots = 4 * config.max_sequences;
  for (const KvGroupSize& group : kv) {
    prefix.blocks.push_back(group.grows ? 0 : prefix.slots * group.most_per_sequence);
    host.blocks.push_back(host.slots * group.most_per_sequence);
    parked.blocks.push_back(parked.slots * group.most_per_sequence);
  }
  absl::StrAppend(report, "device  none: the fake backend, a step every ", absl::FormatDuration(config.fake_step_time),
                  "\n");
  return {.backend = std::make_unique<FakeBackend>(FakeBackendConfig{
              .capacity = {.slots = config.max_sequences,
                           .control_rows =
                               config.controlled_sequences > 0 ? config.controlled_sequences : config.max_sequences,
                           .kv = std::move(kv),
                           .block_tokens = config.block_tokens,
                           .prefix = std::move(prefix),
                           .host = std::move(host),
                           .parked = std::move(parked),
                           .max_steps_in_flight = 2,
                           .max_decode_rows = 1 + config.draft_tokens,
                           .max_drafts = config.draft_tokens > 0 ? kFakeDrafts : 0,
                           .cuts_steps = true},
              .vocab_size = checkpoint.config.vocab_size,
              .never = end_tokens,
              .step_time = config.fake_step_time}),
          .kind = BackendKind::kFake,
          .max_batch_tokens =
              std::max(config.max_sequences, config.max_batch_tokens > 0 ? config.max_batch_tokens : kCudaBatchTokens)};
}

}  // namespace

absl::StatusOr<BackendChoice> MakeBackend(const EngineConfig& config, Checkpoint& checkpoint,
                                          const std::vector<int32_t>& end_tokens, ByteProgress* progress,
                                          std::string* report) {
  if (config.backend == BackendKind::kFake) return MakeFake(config, checkpoint, end_tokens, report);

  std::unique_ptr<Ops> ops;
  bool cuda = config.backend != BackendKind::kCpu;
  if (cuda) {
    absl::StatusOr<std::unique_ptr<Ops>> made =
        MakeCudaOps(config.device, config.batch_invariant ? RowMath::kSameInAnyBatch : RowMath::kFastest);
    if (made.ok()) {
      ops = *std::move(made);
      absl::StrAppend(report, "backend cuda", config.backend == BackendKind::kAuto ? ", because a GPU is there" : "",
                      config.batch_invariant ? ", the same bits in any batch" : "", "\n");
    } else if (config.backend == BackendKind::kCuda || absl::IsUnimplemented(made.status())) {
      return made.status();
    } else {
      cuda = false;
      absl::StrAppend(report, "backend cpu, because cuda is not usable: ", made.status().message(), "\n");
    }
  }
  if (!cuda) {
    BATUCADA_ASSIGN_OR_RETURN(ops,
                              MakeCpuOps(config.threads, config.prefault ? Residency::kAtOnce : Residency::kAsUsed));
    if (config.backend == BackendKind::kCpu) absl::StrAppend(report, "backend cpu\n");
  }
  const int32_t rows = config.max_batch_tokens > 0 ? config.max_batch_tokens
                       : cuda                      ? kCudaBatchTokens
                                                   : kCpuBatchTokens;
  ModelBackendConfig model_config{.model = checkpoint.config,
                                  .max_batch_tokens = std::max(rows, config.max_sequences),
                                  .max_sequences = config.max_sequences,
                                  .controlled_sequences = config.controlled_sequences,
                                  .max_total_tokens = config.max_total_tokens,
                                  .pool_bytes = config.pool_bytes,
                                  .memory_fraction = config.memory_fraction > 0 ? config.memory_fraction
                                                     : cuda                     ? 0.9
                                                                                : 0.5,
                                  .prefix_bytes = config.prefix_cache == PrefixCacheUse::kOff ? 0
                                                  : config.prefix_cache_bytes > 0 ? config.prefix_cache_bytes
                                                                                  : kAutomatic,
                                  .host_bytes = config.host_cache_bytes,
                                  .parked_sequences = config.parked_sequences,
                                  .draft_tokens = config.draft_tokens,
                                  .block_tokens = config.block_tokens,
                                  .end_tokens = end_tokens,
                                  .load = {.threads = LoadThreads(config), .progress = progress}};
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<ModelBackend> backend,
                            ModelBackend::Create(model_config, *checkpoint.tensors, std::move(ops), report));
  const absl::Duration load_time = backend->load_time();
  return BackendChoice{.backend = std::move(backend),
                       .kind = cuda ? BackendKind::kCuda : BackendKind::kCpu,
                       .max_batch_tokens = model_config.max_batch_tokens,
                       .load_time = load_time};
}

}  // namespace batucada
