#include "bench/step_bench.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "bench/floors.h"

namespace batucada {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

StepBench::StepBench(std::string name, const ModelConfig& model, const Ceilings& ceilings, DType activation,
                     Lengths lengths, Backend* backend)
    : name_(std::move(name)), model_(model), ceilings_(ceilings), activation_(activation), chunk_(lengths.chunk),
      fill_(lengths.fill), drafts_(static_cast<size_t>(lengths.drafts), 0),
      backend_(backend), sampling_{.temperature = 1, .seed = 1} {
  std::mt19937 random(2);
  prompt_.resize(static_cast<size_t>(chunk_));
  for (int32_t& id : prompt_) id = static_cast<int32_t>(random() % static_cast<uint32_t>(model.vocab_size));
}

std::vector<StepBench::Running> StepBench::Start(int32_t batch) const {
  const BackendCapacity& c = backend_->capacity();
  std::vector<Running> sequences(static_cast<size_t>(batch));
  for (int32_t i = 0; i < batch; ++i) {
    Running& s = sequences[static_cast<size_t>(i)];
    s.slot = i;
    for (const KvGroupSize& group : c.kv) {
      const int32_t share = std::min(group.most_per_sequence, group.blocks / std::max(batch, 1));
      std::vector<int32_t>& blocks = s.blocks.emplace_back(static_cast<size_t>(share));
      std::iota(blocks.begin(), blocks.end(), i * share);
    }
    s.position = 0;
  }
  return sequences;
}

absl::Status StepBench::Launch(std::vector<Running>& sequences, int64_t tokens, bool decode) {
  BatchPlan plan{.step = ++step_};
  for (Running& s : sequences) {
    const auto rows = static_cast<int32_t>(decode ? 1 + drafts_.size() : static_cast<size_t>(tokens));
    plan.sequences.push_back(
        {.id = static_cast<SequenceId>(s.slot + 1),
         .slot = s.slot,
         .start = s.position,
         .num_tokens = rows,
         .tokens = decode ? std::span<const int32_t>() : std::span(prompt_).first(static_cast<size_t>(rows)),
         .drafts = decode ? std::span(drafts_) : std::span<const int32_t>(),
         .blocks = s.blocks});
    plan.num_tokens += rows;
    plan.num_decode += decode ? 1 : 0;
    s.position += tokens;
    for (int32_t row = decode ? rows : 1; row > 0; --row) {
      plan.samples.push_back(
          {.row = plan.num_tokens - row, .slot = s.slot, .position = s.position, .sampling = &sampling_});
    }
  }
  BATUCADA_RETURN_IF_ERROR(backend_->Launch(plan));
  ++in_flight_;
  return Finish(static_cast<size_t>(backend_->capacity().max_steps_in_flight) - 1);
}

absl::Status StepBench::Finish(size_t leave) {
  for (; in_flight_ > leave; --in_flight_) {
    if (const auto result = backend_->Wait(); !result.ok()) return result.status();
  }
  return absl::OkStatus();
}

absl::Status StepBench::Feed(std::vector<Running>& sequences, int64_t context, int64_t fill) {
  for (Running& sequence : sequences) {
    std::vector<Running> one = {sequence};
    while (one[0].position < std::min(context, fill)) {
      const int64_t rows = std::min<int64_t>(std::min(context, fill) - one[0].position, chunk_);
      BATUCADA_RETURN_IF_ERROR(Launch(one, rows, /*decode=*/false));
    }
    sequence.position = std::max(one[0].position, context);
  }
  return Finish(0);
}

absl::StatusOr<double> StepBench::StepSeconds(const std::vector<Running>& from, int rounds) {
  constexpr int kWarmUp = 5, kMostSteps = 50;
  constexpr double kRoundSeconds = 0.15;
  const auto run = [&](int steps) -> absl::StatusOr<double> {
    std::vector<Running> sequences = from;  // each round, and each measurement, at the same context
    const auto begin = Clock::now();
    for (int i = 0; i < steps; ++i) BATUCADA_RETURN_IF_ERROR(Launch(sequences, 1, /*decode=*/true));
    BATUCADA_RETURN_IF_ERROR(Finish(0));
    return Seconds(begin) / steps;
  };
  BATUCADA_ASSIGN_OR_RETURN(const double rough, run(kWarmUp));
  const int steps = std::clamp(static_cast<int>(kRoundSeconds / rough), 3, kMostSteps);
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    BATUCADA_ASSIGN_OR_RETURN(const double mean, run(steps));
    seconds.push_back(mean);
  }
  return Median(seconds);
}

absl::Status StepBench::Decode(int32_t batch, const std::vector<int64_t>& contexts, std::vector<Figure>* figures) {
  const BackendCapacity& c = backend_->capacity();
  if (batch > c.slots) {
    return absl::ResourceExhaustedError(
        absl::StrCat("batch ", batch, " does not fit: there is room for ", c.slots, " sequences"));
  }
  if (!drafts_.empty() && batch * static_cast<int32_t>(1 + drafts_.size()) > c.max_drafts) {
    return absl::InvalidArgumentError(absl::StrCat("batch ", batch, " with ", drafts_.size(),
                                                   " drafts each: a step with drafts has ", c.max_drafts,
                                                   " rows at most"));
  }
  std::vector<Running> sequences = Start(batch);
  for (const int64_t context : contexts) {
    BATUCADA_RETURN_IF_ERROR(Feed(sequences, context, fill_));
    BATUCADA_ASSIGN_OR_RETURN(const double seconds, StepSeconds(sequences, 7));
    const double floor = DecodeFloor(model_, ceilings_, activation_, batch, context);
    figures->push_back({absl::StrCat("decode/", name_, "/b", batch, "/c", context), seconds * 1e3, "ms/step",
                        floor * 1e3, floor / seconds});
  }
  return absl::OkStatus();
}

absl::Status StepBench::Losses(int32_t batch, int64_t context, size_t most, PartialOps& ops,
                               std::vector<Figure>* figures) {
  constexpr int kRounds = 3;
  std::vector<Running> sequences = Start(batch);
  BATUCADA_RETURN_IF_ERROR(Feed(sequences, context, fill_));
  ops.LeaveOut("");
  PartialOps::Kinds kinds;
  ops.Record(&kinds, context);
  BATUCADA_RETURN_IF_ERROR(Launch(sequences, 1, /*decode=*/true));  // not captured, so that every op is asked for
  ops.Record(nullptr, 0);
  BATUCADA_ASSIGN_OR_RETURN(const double whole, StepSeconds(sequences, kRounds));
  std::vector<Figure> ops_of_step;
  for (const auto& [kind, known] : kinds) {
    ops.LeaveOut(kind);
    BATUCADA_ASSIGN_OR_RETURN(const double without, StepSeconds(sequences, kRounds));
    const double takes = std::max(whole - without, 0.0);
    ops_of_step.push_back({absl::StrCat("decode/", name_, "/b", batch, "/c", context, "/", known.calls, " x ", kind),
                           takes * 1e3, "ms/step", known.floor * 1e3, takes > 0 ? known.floor / takes : 1});
  }
  ops.LeaveOut("");
  const auto loss = [](const Figure& figure) { return figure.value - figure.floor; };
  std::sort(ops_of_step.begin(), ops_of_step.end(),
            [&](const Figure& a, const Figure& b) { return loss(a) > loss(b); });
  ops_of_step.resize(std::min(ops_of_step.size(), most));
  figures->insert(figures->end(), ops_of_step.begin(), ops_of_step.end());
  return absl::OkStatus();
}

absl::StatusOr<Figure> StepBench::Prefill(int64_t length, int64_t count) {
  std::vector<double> rates;
  for (int round = 0; round < 4; ++round) {
    const auto begin = Clock::now();
    for (int64_t i = 0; i < count; ++i) {
      std::vector<Running> one = Start(1);
      BATUCADA_RETURN_IF_ERROR(Feed(one, length, length));
    }
    if (round > 0) rates.push_back(static_cast<double>(length * count) / Seconds(begin));
  }
  const double median = Median(rates), floor = ceilings_.flops_per_s / PromptTokenFlops(model_, length);
  return Figure{absl::StrCat("prefill/", name_, "/", length), median, "tokens/s", floor, median / floor};
}

}  // namespace batucada
