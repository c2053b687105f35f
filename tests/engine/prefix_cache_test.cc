// A hit equals a cold run, bit for bit: a real model on the CPU, with the cache of prefixes and without.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/engine.h"

namespace batucada {
namespace {

std::unique_ptr<Engine> MakeEngine(PrefixCacheUse use, int64_t host_bytes = 0, int64_t device_bytes = 0) {
  auto engine = Engine::Create({.model_dir = std::string(BATUCADA_SOURCE_DIR) + "/models/samba-classics-18m",
                                .backend = BackendKind::kCpu,
                                .threads = 2,
                                .max_batch_tokens = 64,
                                .max_sequences = 4,
                                .max_total_tokens = 4096,
                                .block_tokens = 16,
                                .prefix_cache = use,
                                .prefix_cache_bytes = device_bytes,
                                .host_cache_bytes = host_bytes});
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

struct Answer {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
  int64_t cached = 0;
};

Answer Complete(Engine& engine, const std::vector<int32_t>& prompt, uint64_t seed) {
  Request request{.prompt = prompt,
                  .sampling = {.temperature = 1, .seed = seed, .repetition_penalty = 1.1F},
                  .max_tokens = 20,
                  .ignore_eos = true,
                  .logprobs = 0};
  auto generation = engine.Submit(request);
  EXPECT_TRUE(generation.ok()) << generation.status();
  Answer answer;
  Update update;
  while (generation->Wait(&update, absl::Now() + absl::Seconds(60))) {
    for (const TokenResult& token : update.tokens) {
      answer.ids.push_back(token.id);
      answer.logprobs.push_back(token.logprob);
    }
    if (update.finish) answer.cached = update.finish->cached_tokens;
  }
  return answer;
}

std::vector<int32_t> Story(size_t count) {
  std::vector<int32_t> ids(count);
  for (size_t i = 0; i < count; ++i) ids[i] = static_cast<int32_t>(5 + (i * i * 7 + i) % 500);
  return ids;
}

// Conversations that go on and branch; returns how many tokens of prompts were not computed again.
int64_t Converse(Engine& cached, Engine& cold) {
  int64_t saved = 0;
  for (const size_t length : {100u, 300u}) {
    std::vector<int32_t> text = Story(length);
    for (uint64_t turn = 0; turn < 4; ++turn) {
      const Answer warm = Complete(cached, text, turn), plain = Complete(cold, text, turn);
      EXPECT_EQ(warm.ids, plain.ids);
      EXPECT_EQ(warm.logprobs, plain.logprobs);
      EXPECT_EQ(plain.cached, 0);
      saved += warm.cached;
      text.insert(text.end(), warm.ids.begin(), warm.ids.end());
      text.push_back(7);
    }
  }
  return saved;
}

TEST(PrefixCache, AHitEqualsAColdRun) {
  const auto cached = MakeEngine(PrefixCacheUse::kOn), cold = MakeEngine(PrefixCacheUse::kOff);
  EXPECT_GT(Converse(*cached, *cold), 900);
  EXPECT_GE(cached->Stats().prefix->hits, 6u);
  EXPECT_EQ(cached->Stats().prefix->host_hits, 0u) << "there is no cache on the host";
  EXPECT_FALSE(cold->Stats().prefix.has_value());
}

// Room for hardly more than one on the device: the others come back from the host's memory.
TEST(PrefixCache, AHitFromTheHostEqualsAColdRun) {
  const auto cold = MakeEngine(PrefixCacheUse::kOff);
  int64_t least = 1 << 16;  // bytes that hold a checkpoint
  std::unique_ptr<Engine> cached;
  for (;; least *= 2) {
    cached = MakeEngine(PrefixCacheUse::kOn, int64_t{1} << 28, least);
    if (cached->Stats().prefix.has_value()) break;
  }
  std::vector<std::vector<int32_t>> texts;
  for (int i = 0; i < 6; ++i) {
    std::vector<int32_t> text = Story(200);
    text.front() = 100 + i;
    const Answer first = Complete(*cached, text, 1);
    text.insert(text.end(), first.ids.begin(), first.ids.end());
    text.push_back(9);
    texts.push_back(text);
  }
  for (const std::vector<int32_t>& text : texts) {
    const Answer warm = Complete(*cached, text, 2), plain = Complete(*cold, text, 2);
    EXPECT_EQ(warm.ids, plain.ids);
    EXPECT_EQ(warm.logprobs, plain.logprobs);
    EXPECT_GT(warm.cached, 150);
  }
  EXPECT_GT(cached->Stats().prefix->host_hits, 0u);
}

TEST(PrefixCache, AnEngineThatEndsTakesNoStates) {
  const auto engine = MakeEngine(PrefixCacheUse::kOn, int64_t{1} << 26);
  constexpr uint64_t kOwner = 7;
  auto generation = engine->Submit({.prompt = Story(100), .max_tokens = 5, .session = "talk", .session_owner = kOwner});
  ASSERT_TRUE(generation.ok()) << generation.status();
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  for (Update update; generation->Wait(&update, deadline);) {
  }
  const auto state = engine->sessions().Export(kOwner, "talk", deadline, [](int64_t) { return absl::OkStatus(); });
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_TRUE(engine->sessions().Import(kOwner, "before", "other", *state).ok());
  engine->Drain(deadline);
  EXPECT_TRUE(absl::IsUnavailable(engine->sessions().Import(kOwner, "after", "another", *state)));
  EXPECT_TRUE(absl::IsNotFound(engine->sessions().Find(kOwner, "after").status()));
}

}  // namespace
}  // namespace batucada
