#include "engine/run/step_inputs.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/rounding.h"
#include "base/status.h"

namespace batucada {
namespace {

// Deals consecutive arrays out of one buffer, on the host and at the same offsets on the device.
class Carver {
 public:
  Carver(void* host, void* device) : host_(static_cast<char*>(host)), device_(static_cast<char*>(device)) {}

  template <typename T>
  struct Array {
    T* host;
    T* device;
  };

  template <typename T>
  Array<T> Take(int64_t count) {
    const size_t at = offset_;
    offset_ += RoundUp(static_cast<size_t>(count) * sizeof(T), 16);
    if (host_ == nullptr) return {};
    return {reinterpret_cast<T*>(host_ + at), reinterpret_cast<T*>(device_ + at)};
  }
  size_t offset() const { return offset_; }

 private:
  char* host_;
  char* device_;
  size_t offset_ = 0;
};

struct Arrays {
  Arrays(const StepShape& s, Carver carve)
      : start(carve.Take<int32_t>(s.sequences)), slot(carve.Take<int32_t>(s.sequences)),
        first_row(carve.Take<int32_t>(s.sequences + 1)), token_ids(carve.Take<int32_t>(s.tokens)),
        positions(carve.Take<int32_t>(s.tokens)), row_sequence(carve.Take<int32_t>(s.tokens)),
        sample_rows(carve.Take<int32_t>(s.samples)), before(carve.Take<int32_t>(s.drafts ? s.sequences : 0)),
        from(carve.Take<int32_t>(s.drafts ? s.sequences : 0)), sampling(carve.Take<RowSampling>(s.samples)) {
    for (size_t group = 0; group < tables.size(); ++group) {
      tables[group] = carve.Take<int32_t>(int64_t{s.sequences} * s.table_widths[group]);
    }
    bytes = carve.offset();
  }

  Carver::Array<int32_t> start, slot, first_row, token_ids, positions, row_sequence, sample_rows;
  Carver::Array<int32_t> before, from;  // of a step with drafts
  std::array<Carver::Array<int32_t>, kMaxKvGroups> tables;
  Carver::Array<RowSampling> sampling;
  size_t bytes = 0;
};

RowSampling ToRowSampling(const PlannedSample& sample) {
  const SamplingParams& p = *sample.sampling;
  return {.temperature = p.temperature,
          .top_p = p.top_p,
          .min_p = p.min_p,
          .top_k = p.top_k,
          .seed = p.seed,
          .position = static_cast<int32_t>(sample.position),
          .target = sample.target,
          .num_top = sample.num_top,
          .slot = sample.slot,
          .control = {.repetition_penalty = p.repetition_penalty,
                      .presence_penalty = p.presence_penalty,
                      .frequency_penalty = p.frequency_penalty,
                      .first_end_position = static_cast<int32_t>(sample.first_end_position),
                      .row = sample.target < 0 ? sample.control_row : -1}};
}

}  // namespace

size_t StepInputs::Bytes(const StepShape& shape) { return Arrays(shape, Carver(nullptr, nullptr)).bytes; }

void StepInputs::Pack(const BatchPlan& plan, const StepShape& shape, const StepScratch& scratch, void* host,
                      void* device, StepView* step, SampleView* samples, const StepMasks& masks) {
  const Arrays a(shape, Carver(host, device));
  int32_t row = 0, sequence = 0, max_chunk = 0;
  int64_t max_context = 1;
  const auto add_row = [&](int64_t position, int32_t token) {
    a.token_ids.host[row] = token;
    a.positions.host[row] = static_cast<int32_t>(position);
    a.row_sequence.host[row] = sequence;
    ++row;
  };
  // A sequence begins in `slot` at `start`, from the state of slot `before`.
  const auto add_sequence = [&](const PlannedSequence& s, int64_t start, PageId slot, PageId before) {
    a.start.host[sequence] = static_cast<int32_t>(start);
    a.slot.host[sequence] = slot;
    a.first_row.host[sequence] = row;
    if (shape.drafts) {
      a.before.host[sequence] = before;
      a.from.host[sequence] = s.undecided > 0 ? s.slot : -1;
    }
    for (size_t group = 0; group < a.tables.size(); ++group) {
      // A step that warms up has no blocks: it runs on scratch.
      const std::span<const PageId> blocks =
          group < s.blocks.size() ? std::span<const PageId>(s.blocks[group]) : std::span<const PageId>();
      int32_t* const table = a.tables[group].host + int64_t{sequence} * shape.table_widths[group];
      std::copy(blocks.begin(), blocks.end(), table);
      std::fill(table + blocks.size(), table + shape.table_widths[group], scratch.blocks[group]);
    }
  };
  BATUCADA_CHECK(plan.decode_rows() - plan.num_decode <= scratch.drafts, "a draft without a slot");
  PageId draft_slot = scratch.first_draft;
  for (const PlannedSequence& s : plan.sequences) {
    BATUCADA_CHECK(s.start + s.num_tokens <= std::numeric_limits<int32_t>::max(), "position overflows");
    BATUCADA_CHECK(shape.drafts || !s.tokens.empty() || (s.num_tokens == 1 && s.undecided == 0));
    max_context = std::max(max_context, s.start + s.num_tokens);
    if (!s.tokens.empty()) {
      add_sequence(s, s.start, s.slot, s.slot);
      for (int32_t i = 0; i < s.num_tokens; ++i) add_row(s.start + i, s.tokens[static_cast<size_t>(i)]);
      max_chunk = std::max(max_chunk, s.num_tokens);
      ++sequence;
      continue;
    }
    const int64_t start = s.undecided > 0 ? 0 : s.start;  // else counted from where the device knows it stands
    PageId slot = s.slot;
    for (int32_t i = 0; i < s.num_tokens; ++i) {
      const PageId before = std::exchange(slot, i == 0 ? s.slot : draft_slot++);
      add_sequence(s, start + i, slot, before);
      add_row(start + i, i == 0 ? 0 : s.drafts[static_cast<size_t>(i) - 1]);
      ++sequence;
    }
  }
  const int32_t num_decode = plan.decode_rows();
  const int32_t padding = shape.sequences - sequence;
  BATUCADA_CHECK(padding == 0 || num_decode == sequence, "only decode steps are padded");
  for (; sequence < shape.sequences; ++sequence) {
    // Position 0: no history is read, and what is written goes to scratch.
    a.start.host[sequence] = 0;
    a.slot.host[sequence] = scratch.slot;
    if (shape.drafts) {
      a.before.host[sequence] = scratch.slot;
      a.from.host[sequence] = -1;
    }
    a.first_row.host[sequence] = row;
    for (size_t group = 0; group < a.tables.size(); ++group) {
      const int32_t width = shape.table_widths[group];
      std::fill_n(a.tables[group].host + int64_t{sequence} * width, width, scratch.blocks[group]);
    }
    add_row(0, 0);
  }
  a.first_row.host[sequence] = row;
  BATUCADA_CHECK(row == shape.tokens);

  int32_t sample = 0;
  int64_t constrained = 0;
  step->every_row_samples = shape.samples == shape.tokens;
  for (const PlannedSample& s : plan.samples) {
    step->every_row_samples = step->every_row_samples && s.row == sample;
    a.sample_rows.host[sample] = s.row;
    RowSampling& sampling = a.sampling.host[sample];
    sampling = ToRowSampling(s);
    if (s.row < num_decode) {
      BATUCADA_CHECK(s.row == sample, "every decode row draws");
      sampling.slot = a.slot.host[s.row];
      sampling.position = a.positions.host[s.row] + 1;
    }
    if (s.constraint != nullptr) sampling.control.allowed = masks.device + masks.words * constrained++;
    ++sample;
  }
  for (; sample < shape.samples; ++sample) {
    a.sample_rows.host[sample] = sample;
    a.sampling.host[sample] = {.temperature = 0, .slot = scratch.slot};
  }
  step->rows = {.num_tokens = shape.tokens,
                .num_sequences = shape.sequences,
                .num_decode = num_decode + padding,
                .max_chunk = max_chunk,
                .max_context = static_cast<int32_t>(max_context),
                .token_ids = a.token_ids.device,
                .last_token = step->rows.last_token,
                .positions = a.positions.device,
                .row_sequence = a.row_sequence.device,
                .first_row = a.first_row.device,
                .start = a.start.device,
                .slot = a.slot.device,
                .before = shape.drafts ? a.before.device : nullptr};
  step->place.from = a.from.device;
  step->place.positions = a.positions.device;
  step->place.start = a.start.device;
  step->place.sampling = a.sampling.device;
  for (size_t group = 0; group < a.tables.size(); ++group) {
    step->tables[group] = {.entries = a.tables[group].device, .width = shape.table_widths[group]};
  }
  samples->count = shape.samples;
  samples->rows = a.sample_rows.device;
  samples->sampling = a.sampling.device;
}

}  // namespace batucada
