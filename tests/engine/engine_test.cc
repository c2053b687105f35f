// The public face, on the fake backend: what a consumer sees, whatever it does.

#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "tests/temp_dir.h"

namespace batucada {
namespace {

EngineConfig FakeConfig(absl::Duration step_time = absl::ZeroDuration()) {
  return {.model_dir = std::string(BATUCADA_SOURCE_DIR) + "/models/samba-classics-18m",
          .backend = BackendKind::kFake,
          .max_sequences = 8,
          .max_waiting = 50,
          .stream_buffer_tokens = 100'000,
          .fake_step_time = step_time};
}

std::unique_ptr<Engine> MakeEngine(const EngineConfig& config, EngineObserver* observer = nullptr) {
  auto engine = Engine::Create(config, observer);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

struct Answer {
  std::string text;
  std::vector<int32_t> ids;
  std::optional<Finish> finish;
};

Answer Collect(Generation& generation) {
  Answer answer;
  Update update;
  while (generation.Wait(&update, absl::Now() + absl::Seconds(30))) {
    answer.text += update.text;
    for (const TokenResult& token : update.tokens) answer.ids.push_back(token.id);
    if (update.finish) answer.finish = update.finish;
  }
  return answer;
}

Answer Complete(Engine& engine, Request request) {
  auto generation = engine.Submit(std::move(request));
  EXPECT_TRUE(generation.ok()) << generation.status();
  return Collect(*generation);
}

bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return false;
}

TEST(Engine, TextIsTheTokensDecoded) {
  const auto engine = MakeEngine(FakeConfig());
  const Answer answer = Complete(*engine, {.prompt = {0, 5, 6}, .max_tokens = 300});
  EXPECT_EQ(answer.ids.size(), 300u);
  EXPECT_EQ(answer.text, engine->tokenizer().Decode(answer.ids, /*skip_special=*/true));
  EXPECT_EQ(answer.finish->reason, FinishReason::kLength);
  EXPECT_EQ(answer.finish->prompt_tokens, 3);
  EXPECT_EQ(answer.finish->generated_tokens, 300);
  EXPECT_LE(answer.finish->submitted, answer.finish->admitted);
  EXPECT_LE(answer.finish->admitted, answer.finish->first_token);
  EXPECT_LE(answer.finish->first_token, answer.finish->finished);
}

TEST(Engine, StopStringsCutTheTextWhereverTokensEnd) {
  const auto engine = MakeEngine(FakeConfig());
  const Request plain{.prompt = {0, 5, 6}, .max_tokens = 200};
  const std::string text = Complete(*engine, plain).text;
  // Stop strings that lie across token borders: every place a substring of six bytes can start.
  for (size_t at = 1; at + 6 < text.size(); at += 37) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    Request request = plain;
    request.stop = {text.substr(at, 6), "never appears \x01"};
    const size_t first = text.find(request.stop[0]);
    const Answer answer = Complete(*engine, request);
    EXPECT_EQ(answer.text, text.substr(0, first));
    EXPECT_EQ(answer.finish->reason, FinishReason::kStop);
    EXPECT_EQ(answer.finish->stop_string, request.stop[0]);
    EXPECT_EQ(answer.finish->generated_tokens, static_cast<int64_t>(answer.ids.size()));
    EXPECT_LE(answer.ids.size(), 200u);
  }
  EXPECT_TRUE(Eventually([&] { return engine->Stats().running == 0; }));
}

// The consumer finds it, in a thread of its own, and the device is to know.
TEST(Engine, AStopStringEndsTheSequence) {
  const auto engine = MakeEngine(FakeConfig(absl::Milliseconds(1)));
  Request request{.prompt = {0, 5, 6}, .max_tokens = 30'000};
  request.stop = {Complete(*engine, {.prompt = {0, 5, 6}, .max_tokens = 20}).text.substr(0, 4)};
  const uint64_t before = engine->Stats().generated_tokens;
  EXPECT_EQ(Complete(*engine, request).finish->reason, FinishReason::kStop);
  EXPECT_LT(engine->Stats().generated_tokens - before, 25'000u) << "half a minute would be enough for all of them";
}

TEST(Engine, AStopStringsBeginningIsReleasedAtTheEnd) {
  const auto engine = MakeEngine(FakeConfig());
  Request request{.prompt = {0, 5, 6}, .max_tokens = 60};
  const std::string text = Complete(*engine, request).text;
  size_t last = text.size() - 1;
  while ((static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
  request.stop = {text.substr(last) + "\x01 which never comes"};
  const Answer answer = Complete(*engine, request);
  EXPECT_EQ(answer.text, text);
  EXPECT_EQ(answer.finish->reason, FinishReason::kLength);
}

// The fake backend never draws a token that ends a text; one that generation_config.json adds is one of them.
TEST(Engine, EndTokensOfTheGenerationConfigCount) {
  EngineConfig config = FakeConfig();
  const Request request{.prompt = {0, 5, 6}, .max_tokens = 2'000};
  const std::vector<int32_t> plain = Complete(*MakeEngine(config), request).ids;
  const TempDir with_another_end;
  const std::filesystem::path& model = with_another_end.path();
  for (const auto& file : std::filesystem::directory_iterator(config.model_dir)) {
    const std::filesystem::path name = file.path().filename();
    if (name != "generation_config.json") std::filesystem::create_symlink(file.path(), model / name);
  }
  std::ofstream(model / "generation_config.json") << R"({"eos_token_id": [)" << plain[20] << "]}";
  config.model_dir = model.string();
  const auto engine = MakeEngine(config);
  EXPECT_THAT(Complete(*engine, request).ids, testing::Not(testing::Contains(plain[20])));
}

TEST(Engine, StopTokensEndWithoutTheirText) {
  const auto engine = MakeEngine(FakeConfig());
  const Answer plain = Complete(*engine, {.prompt = {0, 9}, .max_tokens = 50});
  Request request{.prompt = {0, 9}, .max_tokens = 50, .stop_token_ids = {plain.ids[20]}};
  const Answer stopped = Complete(*engine, request);
  const auto first = std::find(plain.ids.begin(), plain.ids.end(), plain.ids[20]);
  const std::vector<int32_t> before(plain.ids.begin(), first);
  EXPECT_EQ(stopped.ids.size(), before.size() + 1);
  EXPECT_EQ(stopped.text, engine->tokenizer().Decode(before, true));
  EXPECT_EQ(stopped.finish->stop_token, plain.ids[20]);
}

TEST(Engine, SeedsRepeatAndDiffer) {
  const auto engine = MakeEngine(FakeConfig());
  Request request{.prompt = {0, 9}, .sampling = {.temperature = 1, .seed = 4}, .max_tokens = 20};
  const Answer a = Complete(*engine, request), b = Complete(*engine, request);
  request.sampling.seed = 5;
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_NE(a.ids, Complete(*engine, request).ids);
}

TEST(Engine, LogprobsComeOnlyWhenAskedFor) {
  const auto engine = MakeEngine(FakeConfig());
  auto generation = engine->Submit({.prompt = {0, 9, 8, 7}, .max_tokens = 2, .logprobs = 5, .prompt_logprobs = 2});
  ASSERT_TRUE(generation.ok());
  std::vector<TokenResult> prompt, tokens;
  Update update;
  while (generation->Wait(&update)) {
    prompt.insert(prompt.end(), update.prompt_logprobs.begin(), update.prompt_logprobs.end());
    tokens.insert(tokens.end(), update.tokens.begin(), update.tokens.end());
  }
  ASSERT_EQ(prompt.size(), 3u);
  EXPECT_EQ(prompt[0].id, 9);
  EXPECT_EQ(prompt[0].top.size(), 2u);
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(tokens[0].top.size(), 5u);
}

TEST(Engine, ChoicesDifferBySeedAndTheFirstScoresThePrompt) {
  const auto engine = MakeEngine(FakeConfig());
  Request request{.prompt = {0, 9, 8, 7},
                  .sampling = {.temperature = 1},
                  .max_tokens = 20,
                  .ignore_eos = true,
                  .prompt_logprobs = 1};
  const std::vector<uint64_t> seeds = {4, 5, 4};
  auto choices = engine->SubmitChoices(request, seeds);
  ASSERT_TRUE(choices.ok()) << choices.status();
  ASSERT_EQ(choices->size(), 3u);
  std::vector<std::vector<int32_t>> ids(3);
  std::vector<size_t> scores(3);
  for (size_t i = 0; i < 3; ++i) {
    Update update;
    while ((*choices)[i].Wait(&update)) {
      scores[i] += update.prompt_logprobs.size();
      for (const TokenResult& token : update.tokens) ids[i].push_back(token.id);
    }
  }
  EXPECT_EQ(scores, (std::vector<size_t>{3, 0, 0}));
  EXPECT_EQ(ids[0], ids[2]);
  EXPECT_NE(ids[0], ids[1]);
  for (size_t i = 0; i < 3; ++i) {
    request.sampling.seed = seeds[i];
    EXPECT_EQ(ids[i], Complete(*engine, request).ids) << i;
  }
}

TEST(Engine, TakesAllChoicesOrNone) {
  EngineConfig config = FakeConfig(absl::Milliseconds(1));
  config.max_waiting = 2;
  const auto engine = MakeEngine(config);
  const std::vector<uint64_t> seeds(100);
  const auto choices = engine->SubmitChoices({.prompt = {0}, .max_tokens = 100'000}, seeds);
  EXPECT_EQ(choices.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Eventually([&] { return engine->Stats().running == 0 && engine->Stats().waiting == 0; }));
}

TEST(Engine, CopiesOfARequestShareItsArrays) {
  const Request request{.prompt = std::vector<int32_t>(1000, 3)};
  const Request copy = request;
  EXPECT_EQ(copy.prompt.data(), request.prompt.data());
  EXPECT_EQ(copy.prompt, request.prompt);
}

TEST(Engine, DroppingAGenerationFreesItsMemory) {
  const auto engine = MakeEngine(FakeConfig(absl::Milliseconds(1)));
  {
    auto generation = engine->Submit({.prompt = {0}, .max_tokens = 100'000});
    ASSERT_TRUE(generation.ok());
    Update update;
    ASSERT_TRUE(generation->Wait(&update));
    EXPECT_EQ(engine->Stats().slots_used, 1);
  }
  EXPECT_TRUE(Eventually([&] { return engine->Stats().slots_used == 0 && engine->Stats().blocks_used == 0; }));
}

TEST(Engine, CancelIsToldAsTheEnd) {
  const auto engine = MakeEngine(FakeConfig(absl::Milliseconds(1)));
  auto generation = engine->Submit({.prompt = {0}, .max_tokens = 100'000});
  ASSERT_TRUE(generation.ok());
  generation->Cancel();
  EXPECT_EQ(Collect(*generation).finish->reason, FinishReason::kCancelled);
}

TEST(Engine, DeadlineEndsARequest) {
  const auto engine = MakeEngine(FakeConfig(absl::Milliseconds(1)));
  const Answer answer =
      Complete(*engine, {.prompt = {0}, .max_tokens = 100'000, .deadline = absl::Now() + absl::Milliseconds(50)});
  EXPECT_EQ(answer.finish->reason, FinishReason::kDeadline);
  EXPECT_GT(answer.ids.size(), 5u);
}

// The text ends in the very step in which the consumer's buffer is full: nothing of it is lost.
TEST(Engine, TheLastTokenHasRoomWithTheEndThatItBrings) {
  EngineConfig config = FakeConfig();
  config.stream_buffer_tokens = 50;
  const auto engine = MakeEngine(config);
  auto generation = engine->Submit({.prompt = {0, 5}, .max_tokens = 51});
  ASSERT_TRUE(generation.ok()) << generation.status();
  ASSERT_TRUE(Eventually([&] { return engine->Stats().running == 0 && engine->Stats().generated_tokens == 51; }));
  const Answer answer = Collect(*generation);
  EXPECT_EQ(answer.ids.size(), 51u);
  EXPECT_EQ(answer.finish->reason, FinishReason::kLength);
  EXPECT_EQ(answer.finish->generated_tokens, 51);
}

TEST(Engine, AConsumerThatDoesNotReadLosesItsRequestOnly) {
  EngineConfig config = FakeConfig();
  config.stream_buffer_tokens = 50;
  const auto engine = MakeEngine(config);
  auto stalled = engine->Submit({.prompt = {0}, .max_tokens = 100'000});
  ASSERT_TRUE(stalled.ok());
  EXPECT_TRUE(Eventually([&] { return engine->Stats().running == 0 && engine->Stats().waiting == 0; }));
  EXPECT_EQ(Complete(*engine, {.prompt = {0}, .max_tokens = 20}).finish->reason, FinishReason::kLength);
  const Answer answer = Collect(*stalled);
  EXPECT_EQ(answer.finish->reason, FinishReason::kOverrun);
  EXPECT_EQ(answer.ids.size(), 50u);
}

TEST(Engine, OnReadyFiresForEveryBatchOfNews) {
  const auto engine = MakeEngine(FakeConfig(absl::Milliseconds(1)));
  auto generation = engine->Submit({.prompt = {0}, .max_tokens = 30});
  ASSERT_TRUE(generation.ok());
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false;
  generation->OnReady([&] {
    const std::lock_guard lock(mutex);
    ready = true;
    changed.notify_one();
  });
  size_t tokens = 0;
  bool finished = false;
  while (!finished) {
    {
      std::unique_lock lock(mutex);
      ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return ready; }));
      ready = false;
    }
    Update update;
    while (generation->Poll(&update)) {
      tokens += update.tokens.size();
      finished = finished || update.finish;
    }
  }
  EXPECT_EQ(tokens, 30u);
  Update update;
  EXPECT_FALSE(generation->Poll(&update));
}

TEST(Engine, AGenerationMayOutliveTheEngine) {
  auto engine = MakeEngine(FakeConfig(absl::Milliseconds(1)));
  auto generation = engine->Submit({.prompt = {0}, .max_tokens = 100'000});
  ASSERT_TRUE(generation.ok());
  engine.reset();
  EXPECT_EQ(Collect(*generation).finish->reason, FinishReason::kShutdown);
}

TEST(Engine, DrainRefusesNewRequestsAndFinishesOldOnes) {
  const auto engine = MakeEngine(FakeConfig(absl::Milliseconds(1)));
  auto generation = engine->Submit({.prompt = {0}, .max_tokens = 50});
  ASSERT_TRUE(generation.ok());
  engine->Drain(absl::Now() + absl::Seconds(20));
  EXPECT_EQ(engine->Submit({.prompt = {0}}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Collect(*generation).finish->reason, FinishReason::kLength);
}

TEST(Engine, RefusesWhatItCannotRunAndWhatIsTooMuch) {
  EngineConfig config = FakeConfig(absl::Milliseconds(5));
  config.max_sequences = 1;
  config.max_waiting = 2;
  const auto engine = MakeEngine(config);
  EXPECT_EQ(engine->Submit({.prompt = {}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->Submit({.prompt = {1}, .stop = {""}}).status().code(), absl::StatusCode::kInvalidArgument);
  std::vector<Generation> held;
  absl::Status refused;
  for (int i = 0; i < 10 && refused.ok(); ++i) {
    auto generation = engine->Submit({.prompt = {1, 2, 3}, .max_tokens = 10'000});
    refused = generation.status();
    if (generation.ok()) held.push_back(*std::move(generation));
  }
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_LE(held.size(), 3u);
  EXPECT_TRUE(Eventually([&] { return engine->Stats().running == 1; }));
  const EngineStats stats = engine->Stats();
  EXPECT_GE(stats.waiting, 1);
  EXPECT_EQ(stats.waiting_tokens, 3 * stats.waiting);
}

TEST(Engine, WrongConfigurationsSayWhatIsWrong) {
  const auto message = [](const EngineConfig& config) {
    return std::string(Engine::Create(config).status().message());
  };
  EngineConfig config = FakeConfig();
  config.block_tokens = 48;
  EXPECT_THAT(message(config), testing::HasSubstr("block-tokens is 48; it must be a power of two"));
  config = FakeConfig();
  config.max_batch_tokens = 4;
  EXPECT_THAT(message(config), testing::HasSubstr("max-batch-tokens is 4; it must be at least max-sequences"));
  config = FakeConfig();
  config.prefix_cache = PrefixCacheUse::kOff;
  config.host_cache_bytes = 1 << 20;
  EXPECT_THAT(message(config), testing::HasSubstr("host-cache is set, but prefix-cache is off"));
  config = FakeConfig();
  config.model_dir = "/nowhere";
  EXPECT_THAT(message(config), testing::HasSubstr("/nowhere"));
}

TEST(Engine, WrongTokenizersHaveMoreIdsThanTheModel) {
  EngineConfig config = FakeConfig();
  config.load_format = LoadFormat::kDummy;
  const TempDir with_fewer_ids;
  const std::filesystem::path& folder = with_fewer_ids.path();
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::create_symlink(std::filesystem::path(config.model_dir) / name, folder / name);
  }
  std::ifstream file(config.model_dir + "/config.json");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  config.model_dir = folder.string();
  const auto status = [&](const std::string& entries) {
    const std::string key = "\"vocab_size\": ";
    const size_t at = text.find(key) + key.size();
    text.replace(at, text.find(',', at) - at, entries);
    std::ofstream(folder / "config.json") << text;
    return Engine::Create(config).status();
  };
  EXPECT_TRUE(status("8192").ok()) << status("8192");
  EXPECT_THAT(std::string(status("8191").message()),
              testing::HasSubstr("has ids up to 8191, but the model's vocabulary has only 8191 entries"));
}

TEST(Engine, SaysWhatItDecided) {
  EngineConfig config = FakeConfig();
  config.backend = BackendKind::kAuto;
  const auto engine = MakeEngine(config);
  EXPECT_NE(engine->config().backend, BackendKind::kAuto);
  EXPECT_GE(engine->config().max_batch_tokens, config.max_sequences);
  EXPECT_THAT(engine->description(), testing::HasSubstr("because"));
}

TEST(Engine, TellsHowFarLoadingIsAndWhatItTook) {
  EngineConfig config = FakeConfig();
  config.backend = BackendKind::kCpu;
  ByteProgress loading;
  auto engine = Engine::Create(config, nullptr, &loading);
  ASSERT_TRUE(engine.ok()) << engine.status();
  // As many bytes as the tensors have in their file, headers apart.
  const auto file = static_cast<int64_t>(std::filesystem::file_size(config.model_dir + "/model.safetensors"));
  EXPECT_GT(loading.total, file - 100'000);
  EXPECT_LT(loading.total, file);
  EXPECT_EQ(loading.there, loading.total);
  EXPECT_EQ(loading.moved, loading.total);
  EXPECT_GT((*engine)->Stats().load_time, absl::ZeroDuration());
  EXPECT_THAT((*engine)->description(), testing::HasSubstr("loaded  weights in "));
}

TEST(Engine, LoadingTookNoLessThanTheWeightsDid) {
  EngineConfig config = FakeConfig();
  config.backend = BackendKind::kCpu;
  const auto engine = MakeEngine(config);
  const std::string& told = engine->description();
  constexpr std::string_view kBefore = "loaded  weights in ";
  const size_t at = told.find(kBefore);
  ASSERT_NE(at, std::string::npos) << told;
  const double weights = std::stod(told.substr(at + kBefore.size()));
  EXPECT_GE(absl::ToDoubleSeconds(engine->Stats().load_time), weights - 0.005) << "rounded to hundredths";
}

TEST(Engine, SomebodyPutAsideHasSomeTime) {
  EngineConfig config = FakeConfig();
  EXPECT_TRUE(config.Validate().ok()) << config.Validate();
  config.park_time = absl::ZeroDuration();
  EXPECT_THAT(config.Validate().message(), testing::HasSubstr("park-time must be more than zero"));
}

TEST(Engine, DummyWeightsNeedOnlyAConfig) {
  EngineConfig config = FakeConfig();
  config.model_dir = std::string(BATUCADA_SOURCE_DIR) + "/configs/samba-421m";
  EXPECT_FALSE(Engine::Create(config).ok());
  config.load_format = LoadFormat::kDummy;
  const auto engine = MakeEngine(config);
  const Answer answer = Complete(*engine, {.prompt = {65, 66}, .max_tokens = 5});
  EXPECT_EQ(answer.text, engine->tokenizer().Decode(answer.ids, true));
  EXPECT_FALSE(answer.text.empty());
}

class Counter : public EngineObserver {
 public:
  void OnStep(const StepStats& step) override { rows += step.decode_rows + step.prompt_rows; }
  void OnTokenGap(absl::Duration gap) override { gaps += gap >= absl::ZeroDuration() ? 1 : 1'000'000; }
  void OnFinish(const Finish&) override { ++finishes; }
  std::atomic<int64_t> rows = 0, gaps = 0, finishes = 0;
};

TEST(Engine, TheObserverSeesEveryRowAndEveryEnd) {
  Counter counter;
  {
    const auto engine = MakeEngine(FakeConfig(), &counter);
    for (int i = 0; i < 5; ++i) Complete(*engine, {.prompt = {0, 1, 2}, .max_tokens = 10});
    EXPECT_EQ(engine->Stats().generated_tokens, 50u);
    EXPECT_EQ(engine->Stats().prompt_tokens, 15u);
  }
  EXPECT_EQ(counter.finishes, 5);
  EXPECT_EQ(counter.rows, 5 * (3 + 9));
  EXPECT_EQ(counter.gaps, 5 * 9);  // between ten tokens
}

}  // namespace
}  // namespace batucada
