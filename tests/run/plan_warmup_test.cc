// No request waits for a search: after start-up, steps of every size find the plans of their products. The device is
// the CPU's, behind a book of which products were asked for, as a device that searches for plans would keep it.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/model/dummy.h"
#include "engine/run/model_backend.h"
#include "kernels/plan_rows.h"

namespace batucada {
namespace {

// The CPU as a device that captures graphs would see it.
class CapturingDevice : public Device {
 public:
  explicit CapturingDevice(Device& device) : device_(device) {}
  bool CapturesGraphs() const override { return true; }
  void RunCaptured(uint64_t, const std::function<void()>& body) override { body(); }

  DeviceInfo Info() const override { return device_.Info(); }
  int max_steps_in_flight() const override { return device_.max_steps_in_flight(); }
  absl::StatusOr<Buffer> Allocate(size_t bytes, std::string_view what) override {
    return device_.Allocate(bytes, what);
  }
  absl::StatusOr<Buffer> AllocateHost(size_t bytes, std::string_view what) override {
    return device_.AllocateHost(bytes, what);
  }
  void CopyToDevice(void* to, const void* from, size_t bytes) override { device_.CopyToDevice(to, from, bytes); }
  void CopyToHost(void* to, const void* from, size_t bytes) override { device_.CopyToHost(to, from, bytes); }
  void CopyOnDevice(void* to, const void* from, size_t bytes) override { device_.CopyOnDevice(to, from, bytes); }
  void CopyPieces(std::span<const CopyPiece> pieces) override { device_.CopyPieces(pieces); }
  uint64_t PlaceMark() override { return device_.PlaceMark(); }
  absl::Status Wait(uint64_t mark) override { return device_.Wait(mark); }

 private:
  Device& device_;
};

class SearchingOps : public Ops {
 public:
  explicit SearchingOps(std::unique_ptr<Ops> ops)
      : ops_(std::move(ops)), device_(std::make_unique<CapturingDevice>(ops_->device())) {}

  std::vector<int32_t> RowsToWarmUp(int32_t most) const override { return RowsToPlan(most); }
  int64_t plan_searches() const override { return static_cast<int64_t>(plans_.size()); }
  Device& device() const override { return *device_; }
  Communicator& communicator() const override { return ops_->communicator(); }

  void MatMul(const Matrix& w, Tensor in, Tensor out) override {
    Plan(w, in, out.dtype == DType::kF32 ? 'f' : 'h');
    ops_->MatMul(w, in, out);
  }
  void MatMulAdd(const Matrix& w, Tensor in, Tensor acc) override {
    Plan(w, in, '+');
    ops_->MatMulAdd(w, in, acc);
  }
  void MatMulSwiGlu(const Matrix& w, Tensor in, Tensor gate_up, Tensor out) override {
    Plan(w, in, 'h');
    ops_->MatMulSwiGlu(w, in, gate_up, out);
  }
  // Decode rows may make their time steps without a product; the rest then have one of their own.
  void SelectiveScan(const BatchView& b, const ScanArgs& args) override {
    if (args.dt_proj != nullptr && b.num_tokens > b.num_decode) {
      Plan(*args.dt_proj, args.dt_low.Rows(b.num_decode, b.num_tokens - b.num_decode), 'h');
    }
    ops_->SelectiveScan(b, args);
  }

  DType activation_dtype() const override { return ops_->activation_dtype(); }
  absl::StatusOr<Matrix> LoadMatrix(std::span<const HostTensor> parts, int64_t pad_rows, int64_t pad_cols,
                                    std::string_view what) override {
    return ops_->LoadMatrix(parts, pad_rows, pad_cols, what);
  }
  absl::StatusOr<Matrix> LoadGateUp(const HostTensor& gate, const HostTensor& up, int64_t pad_rows,
                                    std::string_view what) override {
    return ops_->LoadGateUp(gate, up, pad_rows, what);
  }
  absl::StatusOr<Buffer> LoadFloats(const HostTensor& t, std::string_view what) override {
    return ops_->LoadFloats(t, what);
  }
  absl::Status FinishLoading() override { return ops_->FinishLoading(); }
  void Embed(const Matrix& table, const BatchView& b, Tensor out) override { ops_->Embed(table, b, out); }
  void RmsNorm(Tensor x, const float* weight, float eps, Tensor out) override { ops_->RmsNorm(x, weight, eps, out); }
  void CausalConv(const BatchView& b, const ConvArgs& args) override { ops_->CausalConv(b, args); }
  void Attention(const BatchView& b, const AttentionArgs& args) override { ops_->Attention(b, args); }
  void AddBias(Tensor x, const float* bias) override { ops_->AddBias(x, bias); }
  void LayerNorm(Tensor x, const float* weight, const float* bias, float eps, Tensor out) override {
    ops_->LayerNorm(x, weight, bias, eps, out);
  }
  void SiluGate(Tensor gate, Tensor x, Tensor out) override { ops_->SiluGate(gate, x, out); }
  void WriteKv(const BatchView& b, const WriteKvArgs& args) override { ops_->WriteKv(b, args); }
  void CrossAttention(const BatchView& b, const CrossAttentionArgs& args) override { ops_->CrossAttention(b, args); }
  void DiffCombine(const DiffCombineArgs& args) override { ops_->DiffCombine(args); }
  void GatherRows(Tensor x, const int32_t* rows, Tensor out) override { ops_->GatherRows(x, rows, out); }
  void Sample(Tensor logits, int32_t vocab, const RowSampling* rows, const ControlView& controls, RowSample* results,
              int32_t* last_token) override {
    ops_->Sample(logits, vocab, rows, controls, results, last_token);
  }
  void PlaceRows(const BatchView& b, const PlaceRowsArgs& args) override { ops_->PlaceRows(b, args); }
  void KeepDrafts(const BatchView& b, const KeepDraftsArgs& args) override { ops_->KeepDrafts(b, args); }

 private:
  void Plan(const Matrix& w, const Tensor& in, char output) {
    plans_.emplace(PlanRows(in.rows), w.out, w.in, in.stride, output);
  }

  const std::unique_ptr<Ops> ops_;
  const std::unique_ptr<CapturingDevice> device_;
  std::set<std::tuple<int64_t, int64_t, int64_t, int64_t, char>> plans_;
};

constexpr char kConfig[] = R"({"model_type": "samba", "vocab_size": 96, "hidden_size": 64, "num_hidden_layers": 2,
    "state_size": 16, "hidden_ratio": 1, "attn": {"layers": [1], "num_heads": 1, "window_size": 64, "rope_theta": 1e4}})";
constexpr int32_t kMaxRows = 700, kSequences = 24;

class PlanWarmUpTest : public testing::Test {
 protected:
  PlanWarmUpTest() {
    const auto model = ParseModelConfig(kConfig);
    EXPECT_TRUE(model.ok()) << model.status();
    auto ops = MakeCpuOps(1);
    EXPECT_TRUE(ops.ok()) << ops.status();
    const std::unique_ptr<TensorSource> source = MakeDummySource(*model, 1);
    std::string report;
    auto made = ModelBackend::Create({.model = *model,
                                      .max_batch_tokens = kMaxRows,
                                      .max_sequences = kSequences,
                                      .max_total_tokens = 100'000,
                                      .end_tokens = {}},
                                     *source, std::make_unique<SearchingOps>(*std::move(ops)), &report);
    EXPECT_TRUE(made.ok()) << made.status();
    backend_ = *std::move(made);
  }

  // A step of `decode` sequences that go on, and of prompts of these lengths, all of whose rows are scored if `scored`.
  void Step(int32_t decode, const std::vector<int32_t>& prompts, bool scored) {
    const SamplingParams greedy{.temperature = 0};
    const std::vector<int32_t> tokens(kMaxRows, 5);
    std::vector<std::vector<PageId>> blocks;
    for (const KvGroupSize& group : backend_->capacity().kv) {
      blocks.emplace_back(static_cast<size_t>(group.most_per_sequence), 0);
    }
    BatchPlan plan{.step = 1, .num_decode = decode};
    for (size_t i = 0; i < static_cast<size_t>(decode) + prompts.size(); ++i) {
      const bool decodes = i < static_cast<size_t>(decode);
      const int32_t length = decodes ? 1 : prompts[i - static_cast<size_t>(decode)];
      const int32_t first = plan.num_tokens;
      plan.sequences.push_back({.id = i,
                                .slot = static_cast<PageId>(i),
                                .start = decodes ? 9 : 0,
                                .num_tokens = length,
                                .tokens = std::span(tokens).first(decodes ? 0 : static_cast<size_t>(length)),
                                .blocks = blocks});
      plan.num_tokens += length;
      for (int32_t row = decodes || scored ? first : plan.num_tokens - 1; row < plan.num_tokens; ++row) {
        const bool draws = row + 1 == plan.num_tokens;
        plan.samples.push_back({.row = row,
                                .slot = static_cast<PageId>(i),
                                .position = row - first + 10,
                                .target = draws ? -1 : 3,
                                .sampling = &greedy});
      }
    }
    ASSERT_TRUE(backend_->Launch(plan).ok());
    const auto result = backend_->Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    for (const TokenResult& sample : result->samples) ASSERT_GE(sample.id, 0);
  }

  std::unique_ptr<ModelBackend> backend_;
};

TEST_F(PlanWarmUpTest, StepsOfEverySizeFindTheirPlans) {
  ASSERT_EQ(backend_->plan_searches(), 0);
  for (int32_t rows = 1; rows <= kMaxRows; rows += rows < 70 ? 1 : 23) Step(0, {rows}, /*scored=*/rows % 5 == 0);
  for (int32_t decode = 1; decode <= kSequences; ++decode) Step(decode, {}, false);
  std::mt19937 random(3);
  const auto below = [&random](int32_t n) { return static_cast<int32_t>(random() % static_cast<uint32_t>(n)); };
  for (int i = 0; i < 60; ++i) {
    const int32_t decode = below(kSequences / 2);
    std::vector<int32_t> prompts;
    int32_t left = kMaxRows - decode;
    for (int32_t p = below(kSequences / 2) + 1; p > 0 && left > 0; --p) {
      prompts.push_back(1 + below(std::min(left, 300)));
      left -= prompts.back();
    }
    Step(decode, prompts, below(3) == 0);
  }
  EXPECT_EQ(backend_->plan_searches(), 0);
}

TEST(PlanRowsTest, EveryCountSharesAPlanWithOneOfThoseToWarmUp) {
  for (const int32_t most : {1, 5, 8, 9, 33, 256, 257, 700, 8192}) {
    const std::vector<int32_t> counts = RowsToPlan(most);
    EXPECT_EQ(counts.front(), most);
    EXPECT_TRUE(std::is_sorted(counts.rbegin(), counts.rend()));
    std::set<int64_t> plans;
    for (const int32_t count : counts) {
      EXPECT_GE(count, 1);
      EXPECT_LE(count, most);
      plans.insert(PlanRows(count));
    }
    for (int32_t rows = 1; rows <= most; ++rows) EXPECT_TRUE(plans.contains(PlanRows(rows))) << rows;
  }
}

}  // namespace
}  // namespace batucada
