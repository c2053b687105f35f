// On a GPU: no prompt waits for a plan to be searched. Two hundred lone prompts of 512 tokens through a model of 1.7
// billion made-up weights, then steps of many sizes. Skipped, with the reason, where there is no GPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "engine/model/checkpoint.h"
#include "engine/run/model_backend.h"

namespace batucada {
namespace {

constexpr int32_t kMaxRows = 8192;

// Milliseconds from launch to result of a step of `decode` rows that go on and a prompt of `length` tokens.
double Step(ModelBackend& backend, int32_t decode, int32_t length) {
  const SamplingParams greedy{.temperature = 0};
  const std::vector<int32_t> tokens(kMaxRows, 5);
  std::vector<std::vector<PageId>> blocks;
  for (const KvGroupSize& group : backend.capacity().kv) {
    blocks.emplace_back(static_cast<size_t>(group.most_per_sequence));
    std::iota(blocks.back().begin(), blocks.back().end(), 0);
  }
  BatchPlan plan{.step = 1, .num_decode = decode};
  for (int32_t i = 0; i <= decode; ++i) {
    const bool decodes = i < decode;
    if (!decodes && length == 0) break;
    plan.sequences.push_back({.id = static_cast<SequenceId>(i),
                              .slot = static_cast<PageId>(i),
                              .start = decodes ? 9 : 0,
                              .num_tokens = decodes ? 1 : length,
                              .tokens = std::span(tokens).first(decodes ? 0 : static_cast<size_t>(length)),
                              .blocks = blocks});
    plan.num_tokens += plan.sequences.back().num_tokens;
    plan.samples.push_back({.row = plan.num_tokens - 1,
                            .slot = static_cast<PageId>(i),
                            .position = plan.sequences.back().start + plan.sequences.back().num_tokens,
                            .sampling = &greedy});
  }
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(backend.Launch(plan).ok());
  const auto result = backend.Wait();
  EXPECT_TRUE(result.ok()) << result.status();
  return absl::ToDoubleMilliseconds(absl::Now() - begin);
}

TEST(FirstTokenCudaTest, NoPromptWaitsForASearch) {
  auto ops = MakeCudaOps(0);
  if (!ops.ok()) GTEST_SKIP() << ops.status();
  auto checkpoint = OpenDummyCheckpoint(BATUCADA_SOURCE_DIR "/configs/samba-1.7b", 0);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  std::string report;
  const absl::Time begin = absl::Now();
  const auto backend = ModelBackend::Create({.model = checkpoint->config,
                                             .max_batch_tokens = kMaxRows,
                                             .max_sequences = 256,
                                             .max_total_tokens = 1 << 20,
                                             .end_tokens = {}},
                                            *checkpoint->tensors, *std::move(ops), &report);
  ASSERT_TRUE(backend.ok()) << backend.status();
  std::printf("start-up %.2f s\n", absl::ToDoubleSeconds(absl::Now() - begin));

  std::vector<double> milliseconds;
  for (int i = 0; i < 200; ++i) milliseconds.push_back(Step(**backend, 0, 512));
  std::printf("200 lone prompts of 512 tokens: first %.2f ms", milliseconds.front());
  std::sort(milliseconds.begin(), milliseconds.end());
  std::printf(", median %.2f, 99%% %.2f, longest %.2f\n", milliseconds[100], milliseconds[197], milliseconds[199]);

  milliseconds.clear();
  std::mt19937 random(1);
  for (int i = 0; i < 400; ++i) {
    const auto length = static_cast<int32_t>(random() % (i % 4 == 0 ? 7000 : 700));
    milliseconds.push_back(Step(**backend, static_cast<int32_t>(random() % 200), length) / (1 + length / 512));
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  std::printf("400 steps of other sizes, per 512 tokens: median %.2f ms, 99%% %.2f, longest %.2f\n", milliseconds[200],
              milliseconds[395], milliseconds[399]);
  EXPECT_EQ((*backend)->plan_searches(), 0);
}

}  // namespace
}  // namespace batucada
