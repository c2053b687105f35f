#include "engine/run/model_backend.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/human_bytes.h"
#include "base/rounding.h"
#include "base/status.h"
#include "engine/model/state_shape_of.h"
#include "engine/run/control_row.h"
#include "engine/state/budget.h"

namespace batucada {
namespace {

// Drafts of a step, of all sequences: each has a slot of its own. Beyond so many rows they are no longer nearly free.
constexpr int32_t kMostDrafts = 64;

int32_t MostDrafts(const ModelBackendConfig& config) { return config.draft_tokens > 0 ? kMostDrafts : 0; }

// Rows of logits held at once; long lists of rows to score are worked off in slices.
int32_t LogitRows(const ModelBackendConfig& config) {
  return std::min(std::max(config.max_sequences, 64), config.max_batch_tokens);
}

WorkspaceSizes SizesOf(const ModelBackendConfig& config) {
  return {
      .rows = config.max_batch_tokens,
      .short_rows = std::min(config.max_batch_tokens, config.max_sequences + ShortPromptRows(config.max_batch_tokens)),
      .logit_rows = LogitRows(config)};
}

std::array<int32_t, kMaxKvGroups> TableWidths(const std::vector<KvGroupSize>& groups) {
  std::array<int32_t, kMaxKvGroups> widths = {};
  for (size_t group = 0; group < groups.size(); ++group) widths[group] = groups[group].most_per_sequence;
  return widths;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelBackend>> ModelBackend::Create(const ModelBackendConfig& config,
                                                                   TensorSource& source, std::unique_ptr<Ops> ops,
                                                                   std::string* report) {
  const DType act = ops->activation_dtype();
  const StateShape shape = StateShapeOf(config.model, config.block_tokens, act);
  // A step packs at most this much, with every row scored and every sequence's whole table.
  std::array<int32_t, kMaxKvGroups> table_widths = {};
  for (size_t group = 0; group < shape.kv.size(); ++group) {
    table_widths[group] = static_cast<int32_t>(shape.BlocksFor(shape.kv[group], config.max_total_tokens));
  }
  const size_t input_bytes = StepInputs::Bytes({.tokens = config.max_batch_tokens + config.max_sequences,
                                                .sequences = 2 * config.max_sequences + MostDrafts(config),
                                                .samples = config.max_batch_tokens + config.max_sequences,
                                                .table_widths = table_widths,
                                                .drafts = true});
  const int64_t mask_words = CeilDiv(config.model.vocab_size, 32);
  const size_t mask_bytes = static_cast<size_t>(config.max_sequences * mask_words) * sizeof(uint32_t);
  const size_t result_bytes = static_cast<size_t>(config.max_batch_tokens + config.max_sequences) * sizeof(RowSample);
  const int64_t workspace_bytes = Workspace::Bytes(config.model, SizesOf(config), act) +
                                  static_cast<int64_t>(2 * input_bytes + result_bytes + mask_bytes) +
                                  MostDrafts(config) * shape.SlotBytes();
  Device& device = ops->device();
  const DeviceInfo info = device.Info();
  BATUCADA_ASSIGN_OR_RETURN(const Budget budget, ComputeBudget({.shape = shape,
                                                                .device_bytes = static_cast<int64_t>(info.free_bytes),
                                                                .fraction = config.memory_fraction,
                                                                .weight_bytes = WeightBytes(config.model, DType::kBf16),
                                                                .workspace_bytes = workspace_bytes,
                                                                .pool_bytes = config.pool_bytes,
                                                                .max_sequences = config.max_sequences,
                                                                .controlled_sequences = config.controlled_sequences,
                                                                .max_total_tokens = config.max_total_tokens,
                                                                .prefix_bytes = config.prefix_bytes,
                                                                .host_bytes = config.host_bytes,
                                                                .parked_sequences = config.parked_sequences}));
  absl::StrAppend(report, "device  ", info.name, "\nmemory\n", budget.report);

  std::unique_ptr<ModelBackend> b(new ModelBackend());
  b->capacity_ = {.slots = budget.slots,
                  .control_rows = budget.control_rows,
                  .kv = budget.kv,
                  .block_tokens = config.block_tokens,
                  .prefix = budget.prefix,
                  .host = budget.host,
                  .parked = budget.parked,
                  .parked_slot_bytes = shape.SlotBytes() + shape.ControlBytes(),
                  .max_steps_in_flight = std::min(device.max_steps_in_flight(), kMostInFlight),
                  .max_decode_rows = 1 + config.draft_tokens,
                  .max_drafts = MostDrafts(config),
                  .cuts_steps = true};
  for (size_t group = 0; group < shape.kv.size(); ++group) {
    b->capacity_.parked_block_bytes[group] = shape.BlockBytes(shape.kv[group]);
  }
  const absl::Time begin = ProcessNow();
  BATUCADA_ASSIGN_OR_RETURN(Weights weights, LoadWeights(config.model, source, *ops, config.load));
  b->load_time_ = ProcessNow() - begin;
  PoolSizes sizes{.running = {.slots = budget.slots, .blocks = {}},
                  .device = budget.prefix,
                  .host = budget.host,
                  .parked = budget.parked,
                  .control_rows = budget.control_rows,
                  .drafts = MostDrafts(config)};
  for (const KvGroupSize& group : budget.kv) sizes.running.blocks.push_back(group.blocks);
  BATUCADA_ASSIGN_OR_RETURN(StatePools state, StatePools::Create(shape, sizes, *ops));
  BATUCADA_ASSIGN_OR_RETURN(Workspace workspace, Workspace::Create(config.model, SizesOf(config), *ops));
  BATUCADA_ASSIGN_OR_RETURN(b->inputs_, device.Allocate(input_bytes, "step inputs"));
  BATUCADA_ASSIGN_OR_RETURN(b->parts_inputs_, device.Allocate(input_bytes, "inputs of a step in parts"));
  BATUCADA_ASSIGN_OR_RETURN(b->parts_staged_, device.AllocateHost(input_bytes, "staged inputs of a step in parts"));
  b->parts_ = CountParts(config.model);
  BATUCADA_ASSIGN_OR_RETURN(b->results_, device.Allocate(result_bytes, "step results"));
  BATUCADA_ASSIGN_OR_RETURN(b->masks_, device.Allocate(mask_bytes, "masks of grammars"));
  b->mask_words_ = mask_words;
  b->end_tokens_ = config.end_tokens;
  for (Staging& stage : b->staging_) {
    BATUCADA_ASSIGN_OR_RETURN(stage.inputs, device.AllocateHost(input_bytes, "staged step inputs"));
    BATUCADA_ASSIGN_OR_RETURN(stage.results, device.AllocateHost(result_bytes, "staged step results"));
    BATUCADA_ASSIGN_OR_RETURN(stage.masks, device.AllocateHost(mask_bytes, "staged masks of grammars"));
  }
  b->model_.reset(new Model{.config = config.model,
                            .weights = std::move(weights),
                            .state = std::move(state),
                            .workspace = std::move(workspace)});
  b->scratch_.slot = b->model_->state.scratch_slot();
  b->scratch_.first_draft = b->model_->state.first_draft_slot();
  b->scratch_.drafts = b->capacity_.max_drafts;
  for (size_t group = 0; group < budget.kv.size(); ++group) {
    b->scratch_.blocks[group] = b->model_->state.scratch_block(group);
  }
  b->ops_ = std::move(ops);
  b->device_ = &b->ops_->device();
  const absl::Time loaded = ProcessNow();
  BATUCADA_RETURN_IF_ERROR(b->WarmUp());
  const double seconds = absl::ToDoubleSeconds(b->load_time_);
  const auto rate = static_cast<int64_t>(static_cast<double>(WeightBytes(config.model, DType::kBf16)) / seconds);
  absl::StrAppend(report, absl::StrFormat("loaded  weights in %.2f s, %s/s; steps warmed up in %.2f s\n", seconds,
                                          HumanBytes(rate), absl::ToDoubleSeconds(ProcessNow() - loaded)));
  return b;
}

absl::Status ModelBackend::WarmUp() {
  BATUCADA_RETURN_IF_ERROR(CaptureDecodeSteps(/*drafts=*/false));
  if (capacity_.max_drafts > 0) BATUCADA_RETURN_IF_ERROR(CaptureDecodeSteps(/*drafts=*/true));
  for (const int32_t rows : ops_->RowsToWarmUp(static_cast<int32_t>(model_->workspace.carried.residual.rows))) {
    BATUCADA_RETURN_IF_ERROR(RunPromptStep(rows));
  }
  BATUCADA_RETURN_IF_ERROR(device_->Synchronize());
  searches_at_start_ = ops_->plan_searches();
  return absl::OkStatus();
}

// A prompt of `rows` tokens on scratch, as many of them scored as the logits have room for.
absl::Status ModelBackend::RunPromptStep(int32_t rows) {
  const SamplingParams any;
  const std::vector<int32_t> tokens(static_cast<size_t>(rows), 0);
  BatchPlan plan{.num_tokens = rows};
  plan.sequences.push_back({.slot = scratch_.slot, .num_tokens = rows, .tokens = tokens});
  const auto scored = static_cast<int32_t>(std::min<int64_t>(rows, model_->workspace.logits.rows));
  for (int32_t row = 0; row < scored; ++row) {
    plan.samples.push_back({.row = row, .slot = scratch_.slot, .position = row + 1, .target = 0, .sampling = &any});
  }
  static_cast<void>(RunStep(plan, ShapeOf(plan), staging_[0]));
  return device_->Synchronize();
}

absl::Status ModelBackend::CaptureDecodeSteps(bool drafts) {
  const BatchPlan nothing;  // all rows are padding and touch scratch alone
  const auto most = static_cast<int32_t>(
      std::min<int64_t>(drafts ? capacity_.max_drafts : capacity_.slots, model_->workspace.carried.residual.rows));
  // From the largest down: neighbouring sizes share plans, which must suit the largest of them.
  for (int32_t rows = most; device_->CapturesGraphs() && rows > 0; --rows) {
    const StepShape shape = DecodeShape(rows, drafts);
    if (shape.sequences != rows) continue;  // served by a larger one
    for (int run = 0; run < 2; ++run) {     // the first finds plans, the second captures
      static_cast<void>(RunStep(nothing, shape, staging_[0]));
      BATUCADA_RETURN_IF_ERROR(device_->Synchronize());
    }
  }
  return device_->Synchronize();
}

ModelBackend::~ModelBackend() {
  // Whatever is still in flight uses our buffers.
  if (device_ != nullptr) static_cast<void>(device_->Synchronize());
}

StepShape ModelBackend::ShapeOf(const BatchPlan& plan) const {
  const auto sequences = static_cast<int32_t>(plan.sequences.size());
  const auto samples = static_cast<int32_t>(plan.samples.size());
  if (plan.num_decode == sequences) return DecodeShape(plan.num_tokens, plan.has_drafts());
  return {.tokens = plan.num_tokens,
          .sequences = sequences - plan.num_decode + plan.decode_rows(),
          .samples = samples,
          .table_widths = TableWidths(capacity_.kv),
          .drafts = plan.has_drafts()};
}

StepShape ModelBackend::DecodeShape(int32_t rows, bool drafts) const {
  // Padding, too, has to lie in the workspace, and between the parts of a long step in its smaller half.
  const auto room = static_cast<int32_t>(model_->workspace.short_carried.residual.rows);
  const int32_t most = std::min(drafts ? capacity_.max_drafts : capacity_.slots, room);
  const int32_t padded = std::max(rows, std::min(device_->PaddedDecodeRows(rows), most));
  return {.tokens = padded,
          .sequences = padded,
          .samples = padded,
          .table_widths = TableWidths(capacity_.kv),
          .drafts = drafts};
}

std::vector<std::vector<char>> ModelBackend::WriteControls(const BatchPlan& plan) {
  std::vector<std::vector<char>> rows;
  const int32_t vocab = model_->config.vocab_size;
  for (const PlannedSequence& s : plan.sequences) {
    if (s.controlled == nullptr) continue;
    rows.push_back(MakeControlRow(*s.controlled, vocab, end_tokens_));
    device_->CopyToDevice(model_->state.controls().TokensOf(s.control_row), rows.back().data(), rows.back().size());
  }
  return rows;
}

ModelBackend::Packed ModelBackend::Pack(const BatchPlan& plan, const StepShape& shape, const Buffer& staged,
                                        const Buffer& inputs) {
  const Workspace& workspace = model_->workspace;
  const bool is_short = shape.tokens <= workspace.short_carried.residual.rows;
  BATUCADA_CHECK(is_short || next_part_ == 0, "a long step between the parts of another");
  Packed packed{.step = {.rows = {.last_token = model_->state.last_token()},
                         .carried = is_short && !plan.in_parts ? &workspace.short_carried : &workspace.carried,
                         .place = {.next_position = model_->state.next_position()}},
                .samples = {.results = results_.As<RowSample>(),
                            .controls = model_->state.controls(),
                            .last_token = model_->state.last_token()},
                .control_rows = {}};
  StepInputs::Pack(plan, shape, scratch_, staged.data(), inputs.data(), &packed.step, &packed.samples,
                   {.device = masks_.As<uint32_t>(), .words = mask_words_});
  // More rows than there are logits for are gathered, so many at a time.
  packed.step.every_row_samples = packed.step.every_row_samples && shape.samples <= workspace.logits.rows;
  device_->CopyToDevice(inputs.data(), staged.data(), StepInputs::Bytes(shape));
  packed.control_rows = WriteControls(plan);
  return packed;
}

void ModelBackend::RunSamples(const BatchPlan& plan, const Packed& packed) {
  if (!plan.constrained) {
    SampleRows(*model_, packed.step, packed.samples, *ops_);
    KeepDrafts(packed);
  } else if (HasAllLogits(packed.samples)) {
    ComputeLogits(*model_, packed.step, packed.samples, *ops_);
  }
}

void ModelBackend::KeepDrafts(const Packed& packed) {
  if (packed.step.rows.before == nullptr) return;
  const StatePools& state = model_->state;
  ops_->KeepDrafts(packed.step.rows, {.results = results_.As<RowSample>(),
                                      .slots = state.slots(),
                                      .slot_bytes = state.shape().SlotBytes(),
                                      .last_token = state.last_token(),
                                      .next_position = state.next_position()});
}

ModelBackend::Packed ModelBackend::RunStep(const BatchPlan& plan, const StepShape& shape, const Staging& stage) {
  Packed packed = Pack(plan, shape, stage.inputs, inputs_);
  // Steps of decode rows alone depend on nothing but how many there are.
  const bool decode = packed.step.rows.num_decode == packed.step.rows.num_sequences;
  // A constrained step is cut in two before its draws, and so captured under another key.
  constexpr uint64_t kBeforeDraws = uint64_t{1} << 32, kDrafts = uint64_t{1} << 33;
  const uint64_t kind = (plan.constrained ? kBeforeDraws : 0) | (shape.drafts ? kDrafts : 0);
  // More rows than a step with drafts has are of one that follows such a step alone: too seldom to be captured.
  const bool captured = decode && (!shape.drafts || shape.sequences <= capacity_.max_drafts);
  device_->RunCaptured(captured ? static_cast<uint64_t>(shape.sequences) | kind : 0, [&] {
    if (shape.drafts) ops_->PlaceRows(packed.step.rows, packed.step.place);
    Forward(*model_, packed.step, *ops_);
    RunSamples(plan, packed);
  });
  return packed;
}

absl::Status ModelBackend::Launch(const BatchPlan& plan) {
  BATUCADA_CHECK(launched_.size() < kMostInFlight);
  const StatePools& state = model_->state;
  device_->CopyPieces(state.Pieces(plan.copies.ended));
  device_->CopyPieces(state.Pieces(plan.copies.restored));
  device_->CopyBeside(state.Pieces(plan.copies.moved));
  if (plan.in_parts) {
    BATUCADA_CHECK(next_part_ == 0, "two plans in parts");
    BATUCADA_RETURN_IF_ERROR(device_->Wait(parts_packed_));  // of the one before
    in_parts_ = Pack(plan, ShapeOf(plan), parts_staged_, parts_inputs_);
    parts_packed_ = device_->PlaceMark();
    return ops_->status();
  }
  pending_ = {};
  if (plan.num_tokens > 0) pending_ = RunStep(plan, ShapeOf(plan), staging_[next_stage_]);
  device_->CopyPieces(state.Pieces(plan.copies.saved));
  if (!plan.copies.moved.empty()) device_->JoinCopies();
  return plan.constrained ? device_->status() : Finish(plan);
}

absl::StatusOr<bool> ModelBackend::LaunchParts(const BatchPlan& plan, int32_t count) {
  const int32_t first = next_part_, end = std::min(parts_, first + count);
  ForwardParts(*model_, in_parts_.step, first, end, *ops_);
  if (first == 0 && !plan.copies.moved.empty()) device_->JoinCopies();
  next_part_ = end == parts_ ? 0 : end;
  if (next_part_ == 0) {
    RunSamples(plan, in_parts_);
    device_->CopyPieces(model_->state.Pieces(plan.copies.saved));
    pending_ = std::move(in_parts_);
  }
  parts_before_end_ = std::exchange(parts_end_, device_->PlaceMark());
  if (next_part_ == 0 && !plan.constrained) BATUCADA_RETURN_IF_ERROR(Finish(plan));
  BATUCADA_RETURN_IF_ERROR(ops_->status());
  return next_part_ == 0;
}

absl::Status ModelBackend::Draw(const BatchPlan& plan) {
  auto* const masks = staging_[next_stage_].masks.As<uint32_t>();
  int64_t count = 0;
  for (const PlannedSample& sample : plan.samples) {
    if (sample.constraint == nullptr) continue;
    const std::span<uint32_t> mask(masks + mask_words_ * count++, static_cast<size_t>(mask_words_));
    // Without one nothing is allowed, which ends the sequence.
    if (!sample.constraint->Mask(mask, sample.mask_steps).ok()) std::fill(mask.begin(), mask.end(), 0);
  }
  device_->CopyToDevice(masks_.data(), masks, static_cast<size_t>(mask_words_ * count) * sizeof(uint32_t));
  if (HasAllLogits(pending_.samples)) {
    DrawRows(*model_, pending_.samples, *ops_);
  } else {
    SampleRows(*model_, pending_.step, pending_.samples, *ops_);
  }
  KeepDrafts(pending_);
  return Finish(plan);
}

absl::Status ModelBackend::Finish(const BatchPlan& plan) {
  const Staging& stage = staging_[next_stage_];
  device_->CopyToHost(stage.results.data(), results_.data(), plan.samples.size() * sizeof(RowSample));
  Launched launched{.step = plan.step,
                    .mark = device_->PlaceMark(),
                    .stage = next_stage_,
                    .num_top = {},
                    .control_rows = std::move(pending_.control_rows),
                    .drafts = {}};
  for (int32_t i = 0; plan.decode_rows() > plan.num_decode && i < plan.num_decode; ++i) {
    const std::span<const int32_t> drafts = plan.sequences[static_cast<size_t>(i)].drafts;
    launched.drafts.emplace_back(drafts.begin(), drafts.end());
  }
  for (const PlannedSample& sample : plan.samples) launched.num_top.push_back(sample.num_top);
  launched_.push_back(std::move(launched));
  next_stage_ = (next_stage_ + 1) % kMostInFlight;
  return ops_->status();
}

absl::StatusOr<StepResult> ModelBackend::Wait() {
  BATUCADA_CHECK(!launched_.empty(), "nothing was launched");
  const Launched step = std::move(launched_.front());
  launched_.pop_front();
  BATUCADA_RETURN_IF_ERROR(device_->Wait(step.mark));
  StepResult result{.step = step.step, .samples = {}};
  const auto* const drawn = staging_[step.stage].results.As<RowSample>();
  for (const auto* share = drawn; const std::vector<int32_t>& drafts : step.drafts) {
    size_t kept = 1;
    while (kept <= drafts.size() && share[kept - 1].token == drafts[kept - 1]) ++kept;
    result.kept.push_back(static_cast<int32_t>(kept));
    share += 1 + drafts.size();
  }
  result.samples.reserve(step.num_top.size());
  for (size_t i = 0; i < step.num_top.size(); ++i) {
    TokenResult& token = result.samples.emplace_back(
        TokenResult{.id = drawn[i].token, .logprob = drawn[i].logprob, .rank = drawn[i].rank, .top = {}});
    for (int32_t k = 0; drawn[i].token >= 0 && k < step.num_top[i]; ++k)
      token.top.push_back({.id = drawn[i].top_ids[k], .logprob = drawn[i].top_logprobs[k]});
  }
  return result;
}

}  // namespace batucada
