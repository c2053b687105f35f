// A text drawn with drafts in its steps, right ones and wrong ones, is the text drawn row by row: of every
// architecture, on every device that is there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/splitmix.h"
#include "engine/model/dummy.h"
#include "engine/run/model_backend.h"
#include "engine/schedule/scheduler.h"
#include "tests/run/small_models.h"

namespace batucada {
namespace {

// Of a step: no number of rows that steps are padded to.
constexpr int32_t kRows = 12, kVocab = 64, kMostDrafts = 5;
constexpr SequenceId kSequences = 4;

// A model whose kernels take as long as any's, where those made for tests are done before the next one has begun.
constexpr char kReal[] = "../../../models/samba-classics-18m";

using Texts = std::map<SequenceId, std::vector<TokenResult>>;

// Knows what will be drawn, and tells it: now and then with a mistake.
class Oracle : public Drafter {
 public:
  Oracle(const Texts& texts, uint64_t seed) : texts_(texts), random_(seed) {}
  void OnAdmitted(SequenceId id, const Request& request) override {
    prompt_[id] = static_cast<int64_t>(request.prompt.size());
  }
  void OnDrawn(SequenceId, std::span<const TokenResult> tokens, int32_t rows) override {
    kept_ += static_cast<int64_t>(tokens.size()) - 1;
    rejected_ += rows - static_cast<int64_t>(tokens.size());
  }
  void OnEnded(SequenceId) override {}
  void Draft(SequenceId id, int64_t position, int32_t, int32_t most, std::vector<int32_t>* drafts) override {
    const std::vector<TokenResult>& text = texts_.at(id);
    const auto count = static_cast<int32_t>(random_() % static_cast<uint64_t>(most + 1));
    for (int32_t i = 0; i < count; ++i) {
      const int64_t at = position + i - prompt_[id];
      const bool knows = at >= 0 && at < static_cast<int64_t>(text.size()) && random_() % 8 != 0;
      drafts->push_back(knows ? text[static_cast<size_t>(at)].id : static_cast<int32_t>(random_() % kVocab));
    }
  }
  int64_t kept() const { return kept_; }
  int64_t rejected() const { return rejected_; }

 private:
  const Texts& texts_;
  SplitMixRandom random_;
  std::map<SequenceId, int64_t> prompt_;
  int64_t kept_ = 0, rejected_ = 0;
};

enum class On : uint8_t { kCpu, kCuda, kCudaSameInAnyBatch };

struct Case {
  std::string model;
  On on;
};

std::string NameOf(const Case& c) {
  std::string model = std::filesystem::path(c.model).filename();
  std::replace(model.begin(), model.end(), '-', '_');
  return model + (c.on == On::kCpu ? "_cpu" : c.on == On::kCuda ? "_cuda" : "_cuda_invariant");
}

absl::StatusOr<std::unique_ptr<Ops>> MakeOps(On on) {
  if (on == On::kCpu) return MakeCpuOps(2);
  return MakeCudaOps(0, on == On::kCuda ? RowMath::kFastest : RowMath::kSameInAnyBatch);
}

class DraftsTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto ops = MakeOps(GetParam().on);
    if (!ops.ok()) GTEST_SKIP() << ops.status().message();
  }

  // Each run has one of its own: in another's memory it would find the right keys and values where it has to write
  // them.
  static std::unique_ptr<ModelBackend> MakeBackend() {
    auto ops = MakeOps(GetParam().on);
    EXPECT_TRUE(ops.ok()) << ops.status();
    const ModelConfig model = ConfigOf(GetParam().model);
    const std::unique_ptr<TensorSource> source = MakeDummySource(model, 1);
    std::string report;
    auto made = ModelBackend::Create({.model = model,
                                      .max_batch_tokens = kRows,
                                      .max_sequences = kSequences,
                                      .max_total_tokens = 200,
                                      .draft_tokens = kMostDrafts,
                                      .block_tokens = 16,
                                      .end_tokens = {}},
                                     *source, *std::move(ops), &report);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }

  static Request RequestOf(SequenceId id) {
    std::vector<int32_t> prompt;
    for (SequenceId i = 0; i < 3 + 20 * id; ++i) prompt.push_back(static_cast<int32_t>((i * 7 + id * 3) % kVocab));
    Request request{.prompt = prompt, .max_tokens = 70};
    request.sampling.temperature = id % 2 == 0 ? 0 : 1;
    request.sampling.seed = id;
    request.logprobs = 0;
    // One whose logits change with what it draws: it has no drafts, and others beside it do.
    if (id == kSequences) request.sampling.presence_penalty = 0.5F;
    return request;
  }

  // All of them, one after the other while others run, in steps of as many tokens as there is room for. With two steps
  // in flight the second begins where the first decides: the device alone knows where.
  static Texts Run(Drafter* drafter, int32_t most_in_flight) {
    const std::unique_ptr<ModelBackend> backend = MakeBackend();
    const BackendCapacity& capacity = backend->capacity();
    Scheduler scheduler({.max_batch_tokens = kRows,
                         .max_steps_in_flight = most_in_flight,
                         .slots = capacity.slots,
                         .control_rows = capacity.control_rows,
                         .kv = capacity.kv,
                         .block_tokens = capacity.block_tokens,
                         .end_tokens = {},
                         .drafter = drafter,
                         .max_decode_rows = capacity.max_decode_rows,
                         .max_drafts = capacity.max_drafts});
    const absl::Time now = absl::UnixEpoch();
    Texts texts;
    int32_t in_flight = 0;
    SequenceId next = 1;
    for (int32_t step = 0; next <= kSequences || !scheduler.idle(); ++step) {
      if (step % 4 == 0 && next <= kSequences) {
        EXPECT_TRUE(scheduler.Add(next, RequestOf(next), now).ok());
        ++next;
      }
      if (const std::optional<BatchPlan> plan = scheduler.Plan(now)) {
        if (const absl::Status status = backend->Launch(*plan); !status.ok()) {
          ADD_FAILURE() << status;
          break;
        }
        ++in_flight;
        if (in_flight < most_in_flight) continue;
      }
      if (in_flight == 0) continue;
      const absl::StatusOr<StepResult> result = backend->Wait();
      if (!result.ok()) {
        ADD_FAILURE() << result.status();
        break;
      }
      --in_flight;
      scheduler.Commit(*result, now);
      for (const SequenceEvent& event : scheduler.TakeEvents()) {
        if (event.token) texts[event.id].push_back(*event.token);
      }
    }
    return texts;
  }

  // Notes how many ids are the same before the first that is not.
  static void ExpectSame(const std::vector<TokenResult>& drafted, const std::vector<TokenResult>& plain, int* same) {
    ASSERT_EQ(drafted.size(), plain.size());
    for (size_t i = 0; i < plain.size(); ++i) {
      // On CUDA other numbers of rows may be summed in another order.
      if (GetParam().on != On::kCuda) {
        ASSERT_EQ(drafted[i].id, plain[i].id) << "token " << i;
        ASSERT_EQ(drafted[i].logprob, plain[i].logprob) << "token " << i;
        ++*same;
        continue;
      }
      EXPECT_NEAR(drafted[i].logprob, plain[i].logprob, 0.05F) << "token " << i;
      if (drafted[i].id != plain[i].id) break;  // a tie: from here on they are two texts
      ++*same;
    }
  }
};

TEST_P(DraftsTest, AreNoPartOfTheText) {
  const Texts plain = Run(nullptr, 1);
  ASSERT_EQ(plain.size(), kSequences);
  for (const int32_t in_flight : {1, 2}) {
    Oracle oracle(plain, static_cast<uint64_t>(in_flight));
    const Texts drafted = Run(&oracle, in_flight);
    ASSERT_EQ(drafted.size(), kSequences);
    int same = 0;
    for (const auto& [id, text] : plain) {
      SCOPED_TRACE(testing::Message() << "sequence " << id << ", steps in flight " << in_flight);
      ExpectSame(drafted.at(id), text, &same);
    }
    EXPECT_GT(same, 100) << "ties are rare";
    EXPECT_GT(oracle.kept(), 10);
    EXPECT_GT(oracle.rejected(), 10);
  }
}

std::vector<Case> Cases() {
  std::vector<std::string> models = ModelNames();
  models.emplace_back(kReal);
  std::vector<Case> cases;
  for (const std::string& model : models) {
    for (const On on : {On::kCpu, On::kCuda, On::kCudaSameInAnyBatch}) cases.push_back({model, on});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Architectures, DraftsTest, testing::ValuesIn(Cases()),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace batucada
