#include "bench/loop_bench.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "engine/run/step_loop.h"

namespace batucada {
namespace {

// Keeps the times of steps in which every sequence decodes and nothing else runs, once graphs are recorded.
class FullSteps : public EngineObserver {
 public:
  explicit FullSteps(int32_t rows) : rows_(rows) {}
  void OnStep(const StepStats& step) override {
    if (step.prompt_rows == 0 && step.decode_rows == rows_ && ++seen_ > kWarmUp) {
      seconds_.push_back(absl::ToDoubleSeconds(step.duration));
    }
  }
  void OnTokenGap(absl::Duration) override {}
  void OnFinish(const Finish&) override {}
  std::vector<double>& seconds() { return seconds_; }

 private:
  static constexpr int kWarmUp = 10;
  const int32_t rows_;
  int seen_ = 0;
  std::vector<double> seconds_;
};

class Countdown : public SequenceListener {
 public:
  explicit Countdown(int32_t count) : left_(count) {}
  bool OnEvent(SequenceEvent&& event) override {
    const std::lock_guard lock(mutex_);
    if (event.finish && --left_ == 0) done_.notify_one();
    return true;
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  int32_t left_;
};

}  // namespace

absl::StatusOr<Figure> TimeStepLoop(const std::string& name, const ModelConfig& model, int32_t sequences,
                                    int64_t context, const std::vector<Figure>& figures,
                                    std::unique_ptr<Backend> backend) {
  const BackendCapacity capacity = backend->capacity();
  FullSteps steps(sequences);
  auto listener = std::make_shared<Countdown>(sequences);
  RealClock clock;
  constexpr int64_t kSteps = 300;
  {
    StepLoop loop({.max_batch_tokens = std::max(capacity.slots, 2048),
                   .max_waiting = sequences,
                   .max_waiting_tokens = sequences * context,
                   .max_steps_in_flight = capacity.max_steps_in_flight,
                   .slots = capacity.slots,
                   .kv = capacity.kv,
                   .block_tokens = capacity.block_tokens,
                   .end_tokens = {}},
                  std::move(backend), &clock, &steps);
    // Prompts are computed one after another; the first to decode must still be there when the last begins.
    const int64_t prompt_steps = sequences * context / std::max(1, 2048 - sequences) + sequences;
    for (int32_t i = 0; i < sequences; ++i) {
      Request request{.sampling = {.temperature = 1, .seed = static_cast<uint64_t>(i)},
                      .max_tokens = prompt_steps + kSteps};
      std::vector<int32_t> prompt;
      for (int64_t t = 0; t < context; ++t) prompt.push_back(static_cast<int32_t>((t * 7919 + i) % model.vocab_size));
      request.prompt = std::move(prompt);
      if (const auto id = loop.Add(std::move(request), listener); !id.ok()) return id.status();
    }
    listener->Wait();
  }
  if (steps.seconds().empty()) return absl::InternalError("no step had every sequence decoding");
  std::vector<double>& seconds = steps.seconds();
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
  const double median_ms = seconds[seconds.size() / 2] * 1e3;
  Figure figure{absl::StrCat("step_loop/", name, "/b", sequences), median_ms, "ms/step", 0, 0};
  const std::string bare = absl::StrCat("decode/", name, "/b", sequences, "/c", context);
  for (const Figure& f : figures) {
    if (f.name == bare) figure.floor = f.value, figure.share = f.value / median_ms;
  }
  return figure;
}

}  // namespace batucada
