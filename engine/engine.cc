#include "engine/engine.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/status.h"
#include "engine/backend_factory.h"
#include "engine/channel.h"
#include "engine/disk_tier.h"
#include "engine/model/architecture.h"
#include "engine/model/checkpoint.h"
#include "engine/run/step_loop.h"
#include "engine/schedule/lookup_drafter.h"
#include "engine/validate_request.h"
#include "text/byte_tokenizer.h"
#include "text/detokenizer.h"
#include "text/special_tokens.h"
#include "text/stop_matcher.h"

namespace batucada {

namespace {

// Which ids a long prompt is held against: faster than the table of all that is known of them.
class SpecialIds {
 public:
  SpecialIds() = default;
  // Of a model whose ids are below `vocab_size`.
  SpecialIds(const Tokenizer& tokenizer, int32_t vocab_size) : special_(static_cast<size_t>(vocab_size)) {
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      special_[static_cast<size_t>(id)] = tokenizer.IsSpecial(id) ? 1 : 0;
    }
  }

  // REQUIRES: the ids are the model's.
  bool Has(int32_t id) const { return special_[static_cast<uint32_t>(id)] != 0; }
  // Of many at once, without a branch for each.
  bool HasAny(std::span<const int32_t> ids) const {
    uint8_t any = 0;
    for (const int32_t id : ids) any |= special_[static_cast<uint32_t>(id)];
    return any != 0;
  }

 private:
  std::vector<uint8_t> special_;  // of every id
};

}  // namespace

class Engine::Impl {
 public:
  EngineConfig config;
  ModelConfig model;
  GenerationConfig generation;
  std::shared_ptr<const Tokenizer> tokenizer;
  SpecialIds special_ids;
  std::unique_ptr<GrammarCompiler> grammars;
  std::string description;
  BackendCapacity capacity;
  absl::Duration load_time;
  std::vector<int32_t> end_tokens;  // the model's own
  RealClock clock;
  LookupDrafter drafter;  // the loop's
  std::shared_ptr<StepLoop> loop;
  std::optional<SessionStates> sessions;
  const Backend* backend = nullptr;  // the loop's
};

namespace {

// --client-share 0.
constexpr double kUsualClientShare = 0.9;
constexpr absl::Duration kAloneAfter = absl::Hours(1);

// The model's own end tokens: config.json's, generation_config.json's and the tokenizer's eos_token, each once.
absl::StatusOr<std::vector<int32_t>> EndTokens(const Checkpoint& checkpoint, const std::string& model_dir,
                                               const Tokenizer& tokenizer) {
  std::vector<int32_t> end = checkpoint.config.eos_token_ids;
  end.insert(end.end(), checkpoint.generation.eos_token_ids.begin(), checkpoint.generation.eos_token_ids.end());
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::object tokens, LoadSpecialTokens(model_dir));
  if (const boost::json::value* eos = tokens.if_contains("eos_token")) {
    const boost::json::string& text = eos->get_string();
    if (const std::optional<int32_t> id = tokenizer.TokenToId({text.data(), text.size()})) end.push_back(*id);
  }
  std::sort(end.begin(), end.end());
  end.erase(std::unique(end.begin(), end.end()), end.end());
  return end;
}

// A line for each of: what requests get where they are silent, and tensors that nobody reads.
std::string DescribeFiles(const Checkpoint& checkpoint) {
  std::string lines;
  if (const std::string applied = checkpoint.generation.Describe(); !applied.empty()) {
    absl::StrAppend(&lines, "default ", applied, ": generation_config.json\n");
  }
  if (const std::vector<std::string>& dropped = checkpoint.dropped; !dropped.empty()) {
    constexpr size_t kMostNames = 20;
    const size_t named = std::min(dropped.size(), kMostNames);
    absl::StrAppend(&lines, "dropped tensors that the model does not read: ",
                    absl::StrJoin(dropped.begin(), dropped.begin() + static_cast<std::ptrdiff_t>(named), ", "),
                    dropped.size() > named ? absl::StrCat(" and ", dropped.size() - named, " more") : "", "\n");
  }
  return lines;
}

// Made-up weights need no file but config.json: without a tokenizer, ids are bytes and numbers.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const EngineConfig& config, int32_t vocab_size) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Load(config.model_dir);
  constexpr int32_t kLeastForBytes = 257;
  if (config.load_format == LoadFormat::kDummy && absl::IsNotFound(tokenizer.status()) &&
      vocab_size >= kLeastForBytes) {
    return MakeByteTokenizer(vocab_size);
  }
  return tokenizer;
}

absl::Status CheckUrgentSequences(int32_t urgent, const BackendCapacity& capacity) {
  int32_t places = capacity.slots;
  for (const KvGroupSize& group : capacity.kv) places = std::min(places, group.blocks / group.most_per_sequence);
  if (urgent == 0 || urgent < places) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("urgent-sequences is ", urgent, ", but there is room for ", places,
                                                 " sequences: lower it, or give them more memory (pool-memory)"));
}

std::optional<PrefixCacheConfig> PrefixCacheOf(const BackendCapacity& capacity, const EngineConfig& config,
                                               CheckpointDisk* disk) {
  if (capacity.prefix.slots == 0) return std::nullopt;
  // Ids to remember: of texts with checkpoints, usual ones, and of as many without as tell where texts part.
  constexpr int64_t kGhosts = 4 << 20, kUsualText = 8192, kLeastOnDisk = 32 << 20;
  // A thousandth of the disk's size: four bytes for 4 KiB. A 1.7B model's checkpoint has 6,912 then.
  const int64_t on_disk = std::max(kLeastOnDisk, config.disk_cache_bytes >> 12);
  const int64_t checkpoints = int64_t{capacity.prefix.slots} + capacity.host.slots;
  return PrefixCacheConfig{.device = capacity.prefix,
                           .host = capacity.host,
                           .most_ids = kGhosts + checkpoints * kUsualText + (disk == nullptr ? 0 : on_disk),
                           .disk = disk,
                           .watched = config.watch_prefixes};
}

// Where messages begin and end in a conversation, whatever its template: at special tokens. Texts part there, and what
// stands before them is tokenized alike whatever follows.
std::vector<int64_t> MessageBorders(std::span<const int32_t> prompt, const SpecialIds& special) {
  constexpr size_t kAtOnce = 64;
  std::vector<int64_t> borders;
  for (size_t at = 1; at < prompt.size(); at += kAtOnce) {
    const std::span<const int32_t> ids = prompt.subspan(at, std::min(kAtOnce, prompt.size() - at));
    if (!special.HasAny(ids)) continue;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (special.Has(ids[i])) borders.push_back(static_cast<int64_t>(at + i));
    }
  }
  return borders;
}

}  // namespace

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const EngineConfig& config, EngineObserver* observer,
                                                       ByteProgress* loading) {
  BATUCADA_RETURN_IF_ERROR(config.Validate());
  constexpr uint64_t kDummySeed = 0;
  const GenerationConfigUse use = config.generation_config == GenerationDefaults::kAuto
                                      ? GenerationConfigUse::kAll
                                      : GenerationConfigUse::kEndTokens;
  const absl::Time begin = ProcessNow();
  BATUCADA_ASSIGN_OR_RETURN(Checkpoint checkpoint, config.load_format == LoadFormat::kDummy
                                                       ? OpenDummyCheckpoint(config.model_dir, kDummySeed, use)
                                                       : OpenCheckpoint(config.model_dir, use));
  auto impl = std::make_unique<Impl>();
  impl->load_time = ProcessNow() - begin;
  BATUCADA_ASSIGN_OR_RETURN(impl->tokenizer, LoadTokenizer(config, checkpoint.config.vocab_size));
  if (impl->tokenizer->vocab_size() > checkpoint.config.vocab_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tokenizer of ", config.model_dir, " has ids up to ", impl->tokenizer->vocab_size() - 1,
                     ", but the model's vocabulary has only ", checkpoint.config.vocab_size, " entries"));
  }
  if (checkpoint.config.architecture->pads_vocabulary) {
    checkpoint.config.vocab_size = impl->tokenizer->vocab_size();
  }
  impl->special_ids = SpecialIds(*impl->tokenizer, checkpoint.config.vocab_size);
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<int32_t> end_tokens,
                            EndTokens(checkpoint, config.model_dir, *impl->tokenizer));
  impl->end_tokens = end_tokens;
  impl->grammars = std::make_unique<GrammarCompiler>(*impl->tokenizer, checkpoint.config.vocab_size, end_tokens);
  impl->description = absl::StrCat("model   ", config.model_dir, "\n", DescribeFiles(checkpoint));
  BATUCADA_ASSIGN_OR_RETURN(BackendChoice choice,
                            MakeBackend(config, checkpoint, end_tokens, loading, &impl->description));
  impl->load_time += choice.load_time;
  impl->config = config;
  impl->config.backend = choice.kind;
  impl->config.max_batch_tokens = choice.max_batch_tokens;
  impl->model = checkpoint.config;
  impl->generation = checkpoint.generation;
  impl->capacity = choice.backend->capacity();
  impl->backend = choice.backend.get();
  const BackendCapacity& capacity = impl->capacity;
  BATUCADA_RETURN_IF_ERROR(CheckUrgentSequences(config.urgent_sequences, capacity));
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<CheckpointDisk> disk,
                            OpenDiskTier(config, choice.kind, *choice.backend, observer, &impl->description));
  const std::string state_name = StateName(config, choice.kind, *choice.backend);
  const bool any = config.client_share == 0;
  impl->loop =
      std::make_shared<StepLoop>(SchedulerConfig{.max_batch_tokens = choice.max_batch_tokens,
                                                 .cuts_steps = capacity.cuts_steps,
                                                 .prompt_share = config.prompt_share,
                                                 .max_waiting = config.max_waiting,
                                                 .max_waiting_tokens = config.max_waiting_tokens,
                                                 .max_steps_in_flight = capacity.max_steps_in_flight,
                                                 .slots = capacity.slots,
                                                 .urgent_slots = config.urgent_sequences,
                                                 .control_rows = capacity.control_rows,
                                                 .kv = capacity.kv,
                                                 .block_tokens = capacity.block_tokens,
                                                 .request_share = config.request_share,
                                                 .client_share = any ? kUsualClientShare : config.client_share,
                                                 .client_alone_after = any ? kAloneAfter : absl::InfiniteDuration(),
                                                 .end_tokens = end_tokens,
                                                 .prefix_cache = PrefixCacheOf(capacity, config, disk.get()),
                                                 .parking = {.room = capacity.parked, .most_time = config.park_time},
                                                 .drafter = capacity.max_drafts > 0 ? &impl->drafter : nullptr,
                                                 .max_decode_rows = capacity.max_decode_rows,
                                                 .max_drafts = capacity.max_drafts,
                                                 .awaits_drafts = true},
                                 std::move(choice.backend), &impl->clock, observer, std::move(disk));
  impl->sessions.emplace(
      impl->loop, state_name,
      SessionStates::Bounds{.max_tokens = config.max_total_tokens, .vocab_size = impl->model.vocab_size});
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

absl::StatusOr<Generation> Engine::Submit(Request request) {
  const uint64_t seed = request.sampling.seed;
  BATUCADA_ASSIGN_OR_RETURN(std::vector<Generation> one, SubmitChoices(std::move(request), {&seed, 1}));
  return std::move(one.front());
}

absl::StatusOr<std::vector<Generation>> Engine::SubmitChoices(Request request, std::span<const uint64_t> seeds,
                                                              const TokenRoom& room) {
  BATUCADA_RETURN_IF_ERROR(ValidateRequest(request, {.vocab_size = impl_->model.vocab_size,
                                                     .max_total_tokens = impl_->config.max_total_tokens,
                                                     .end_tokens = impl_->end_tokens}));
  BATUCADA_ASSIGN_OR_RETURN(const StopMatcher stops, StopMatcher::Create(request.stop.vector()));
  if (impl_->capacity.prefix.slots > 0 && request.use_prefix_cache && request.checkpoints.empty()) {
    request.checkpoints = MessageBorders(request.prompt.vector(), impl_->special_ids);
  }
  std::vector<std::shared_ptr<Channel>> channels;
  std::vector<StepLoop::Arrival> arrivals;
  for (const uint64_t seed : seeds) {
    request.sampling.seed = seed;
    channels.push_back(std::make_shared<Channel>(static_cast<size_t>(impl_->config.stream_buffer_tokens),
                                                 impl_->tokenizer, stops, request, room));
    arrivals.push_back({request, channels.back()});
    if (request.max_tokens > 0) request.prompt_logprobs.reset();
  }
  const absl::Status added = impl_->loop->Add(arrivals);
  std::vector<Generation> choices;  // cancelled as they are left, should not all have been taken
  choices.reserve(seeds.size());
  for (size_t i = 0; i < arrivals.size() && arrivals[i].id != 0; ++i) {
    channels[i]->Bind(impl_->loop, arrivals[i].id);
    choices.emplace_back(std::move(channels[i]));
  }
  if (!added.ok()) return added;
  return choices;
}

void Engine::Cancel(SequenceId id) { impl_->loop->Cancel(id, FinishReason::kCancelled); }

void Engine::Drain(absl::Time deadline) { impl_->loop->Drain(deadline); }

SessionStates& Engine::sessions() { return *impl_->sessions; }

PrefixChanges Engine::TakePrefixChanges(int64_t most_ids, int32_t block_tokens) {
  return impl_->loop->TakePrefixChanges(most_ids, block_tokens);
}

EngineStats Engine::Stats() const {
  const SchedulerStats s = impl_->loop->stats();
  int64_t blocks_total = 0;
  for (const KvGroupSize& group : impl_->capacity.kv) blocks_total += group.blocks;
  int64_t parked_bytes = s.parking.parked * impl_->capacity.parked_slot_bytes;
  for (size_t group = 0; group < s.parking.blocks.size(); ++group) {
    parked_bytes += s.parking.blocks[group] * impl_->capacity.parked_block_bytes[group];
  }
  return {.running = s.running,
          .waiting = s.waiting,
          .waiting_tokens = s.waiting_tokens,
          .slots_used = s.slots_used,
          .slots_total = impl_->capacity.slots,
          .control_rows_used = s.control_rows_used,
          .control_rows_total = impl_->capacity.control_rows,
          .blocks_used = s.blocks_used,
          .blocks_total = blocks_total,
          .block_tokens = impl_->capacity.block_tokens,
          .load_time = impl_->load_time,
          .steps = impl_->loop->steps(),
          .plan_searches = impl_->backend->plan_searches(),
          .prompt_tokens = s.prompt_tokens,
          .generated_tokens = s.generated_tokens,
          .drafts = s.drafts,
          .kept_drafts = s.kept_drafts,
          .prefix = impl_->loop->prefix_stats(),
          .parking = s.parking,
          .parked_bytes = parked_bytes};
}

EngineHealth Engine::Health() const {
  if (const absl::Status failure = impl_->loop->failure(); !failure.ok()) {
    return {.alive = false, .reason = absl::StrCat("a step failed: ", failure.message())};
  }
  if (const absl::Duration stalled = impl_->loop->SinceProgress(); stalled > impl_->config.stall_timeout) {
    return {.alive = false,
            .reason = absl::StrCat("there is work, but no step has finished for ", absl::FormatDuration(stalled))};
  }
  return {};
}

const EngineConfig& Engine::config() const { return impl_->config; }
const ModelConfig& Engine::model() const { return impl_->model; }
const GenerationConfig& Engine::generation_defaults() const { return impl_->generation; }
const Tokenizer& Engine::tokenizer() const { return *impl_->tokenizer; }
GrammarCompiler& Engine::grammars() { return *impl_->grammars; }
const std::string& Engine::description() const { return impl_->description; }

}  // namespace batucada
