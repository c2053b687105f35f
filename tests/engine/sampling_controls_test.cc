// What a request may do to the logits, by its effect on a real model's text: biases, penalties, bans, least lengths.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/engine.h"

namespace batucada {
namespace {

constexpr int32_t kEnd = 0;  // the model's own end token; 2 is the other

class SamplingControlsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    EngineConfig config{.model_dir = std::string(BATUCADA_SOURCE_DIR) + "/models/samba-classics-18m",
                        .backend = BackendKind::kCpu,
                        .max_sequences = 8};
    absl::StatusOr<std::unique_ptr<Engine>> made = Engine::Create(config);
    ASSERT_TRUE(made.ok()) << made.status();
    engine_ = made->release();
  }
  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
  }

  struct Answer {
    std::vector<int32_t> ids;
    std::string text;
    Finish finish;
  };
  static Answer Collect(Generation& generation) {
    Answer answer;
    Update update;
    while (generation.Wait(&update)) {
      answer.text += update.text;
      for (const TokenResult& token : update.tokens) answer.ids.push_back(token.id);
      if (update.finish) answer.finish = *update.finish;
    }
    return answer;
  }
  static Answer Complete(const Request& request) {
    auto generation = engine_->Submit(request);
    EXPECT_TRUE(generation.ok()) << generation.status();
    return Collect(*generation);
  }
  // "It was a dark and stormy", greedily, in `max_tokens` tokens; the model's ends do not count.
  static Request Story(int64_t max_tokens) {
    Request request{.max_tokens = max_tokens, .ignore_eos = true};
    request.prompt = engine_->tokenizer().Encode("It was a dark and stormy", {}).value();
    request.sampling.temperature = 0;
    return request;
  }
  static int Distinct(const std::vector<int32_t>& ids) {
    return static_cast<int>(std::set<int32_t>(ids.begin(), ids.end()).size());
  }

  static Engine* engine_;
};
Engine* SamplingControlsTest::engine_ = nullptr;

TEST_F(SamplingControlsTest, ABiasDecides) {
  Request request = Story(8);
  request.sampling.logit_bias = {{.id = 321, .bias = 100}};
  EXPECT_THAT(Complete(request).ids, testing::Each(321));
  const std::vector<int32_t> plain = Complete(Story(8)).ids;
  request.sampling.logit_bias = {{.id = plain[3], .bias = -100}};
  const std::vector<int32_t> without = Complete(request).ids;
  EXPECT_THAT(without, testing::Not(testing::Contains(plain[3])));
  EXPECT_TRUE(std::equal(plain.begin(), plain.begin() + 3, without.begin()));
}

// Memory for one sequence's controls: the others wait for it, each with its own, and who needs none does not.
TEST_F(SamplingControlsTest, TheyAreHandedOn) {
  auto small = Engine::Create({.model_dir = std::string(BATUCADA_SOURCE_DIR) + "/models/samba-classics-18m",
                               .backend = BackendKind::kCpu,
                               .max_sequences = 4,
                               .controlled_sequences = 1});
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_EQ((*small)->Stats().control_rows_total, 1);
  EXPECT_THAT((*small)->description(), testing::ContainsRegex("sampling controls +[0-9.]+ KiB +1, "));
  std::vector<Request> requests;
  for (int32_t i = 0; i < 6; ++i) {
    Request request = Story(12);
    if (i % 3 == 0) request.sampling.frequency_penalty = 0.3F * static_cast<float>(i + 1);
    if (i % 3 == 1) request.sampling.logit_bias = {{.id = 321 + i, .bias = 6}, {.id = 40, .bias = 4}};
    requests.push_back(request);
  }
  std::vector<Generation> generations;
  for (const Request& request : requests) {
    auto generation = (*small)->Submit(request);
    ASSERT_TRUE(generation.ok()) << generation.status();
    generations.push_back(*std::move(generation));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(Collect(generations[i]).ids, Complete(requests[i]).ids) << i;
  }
  EXPECT_EQ((*small)->Stats().control_rows_used, 0);
}

TEST_F(SamplingControlsTest, OnlyAllowedIdsAreDrawn) {
  Request request = Story(50);
  request.sampling.temperature = 1;
  request.sampling.allowed_token_ids = {40, 50, 60};
  EXPECT_THAT(Complete(request).ids, testing::Each(testing::AnyOf(40, 50, 60)));
}

TEST_F(SamplingControlsTest, PenaltiesMakeTextMoreVaried) {
  const int plain = Distinct(Complete(Story(120)).ids);
  Request presence = Story(120), frequency = Story(120), repetition = Story(120), negative = Story(120);
  presence.sampling.presence_penalty = 2;
  frequency.sampling.frequency_penalty = 2;
  repetition.sampling.repetition_penalty = 1.5;
  negative.sampling.frequency_penalty = -2;
  EXPECT_GT(Distinct(Complete(presence).ids), plain);
  EXPECT_GT(Distinct(Complete(frequency).ids), plain + 15);
  EXPECT_GT(Distinct(Complete(repetition).ids), plain + 15);
  EXPECT_LT(Distinct(Complete(negative).ids), plain);
}

TEST_F(SamplingControlsTest, ThePromptCountsForRepetitionOnly) {
  // One id many times over: a strong model of "again" without penalties.
  Request request = Story(1);
  const int32_t word = request.prompt.back();
  std::vector<int32_t> prompt = request.prompt.vector();
  prompt.insert(prompt.end(), 30, word);
  request.prompt = std::move(prompt);
  const int32_t plain = Complete(request).ids[0];
  request.sampling.presence_penalty = 2;
  request.sampling.frequency_penalty = 2;
  EXPECT_EQ(Complete(request).ids[0], plain);
  request.sampling.logit_bias = {{.id = word, .bias = 20}};
  EXPECT_EQ(Complete(request).ids[0], word);
  request.sampling.repetition_penalty = 10;
  EXPECT_NE(Complete(request).ids[0], word);
}

TEST_F(SamplingControlsTest, BadWordsDoNotCome) {
  const std::vector<int32_t> plain = Complete(Story(30)).ids;
  Request request = Story(30);
  // A run of three out of the middle, and one single id.
  const std::vector<int32_t> run(plain.begin() + 10, plain.begin() + 13);
  request.sampling.bad_words = {run};
  std::vector<int32_t> ids = Complete(request).ids;
  EXPECT_EQ(std::search(ids.begin(), ids.end(), run.begin(), run.end()), ids.end());
  const auto last = std::search(plain.begin(), plain.end(), run.begin(), run.end()) + 2;  // of its first appearance
  EXPECT_TRUE(std::equal(plain.begin(), last, ids.begin()));
  EXPECT_NE(ids[static_cast<size_t>(last - plain.begin())], *last);
  // The first word of a run that began in the prompt.
  request.sampling.bad_words = {{request.prompt.back(), plain[0]}};
  EXPECT_NE(Complete(request).ids[0], plain[0]);
}

TEST_F(SamplingControlsTest, NothingEndsTheTextBeforeMinTokens) {
  Request request = Story(60);
  request.ignore_eos = false;
  request.sampling.logit_bias = {{.id = kEnd, .bias = 100}};
  EXPECT_EQ(Complete(request).ids.size(), 1u);
  request.sampling.min_tokens = 20;
  Answer answer = Complete(request);
  EXPECT_EQ(answer.ids.size(), 21u);
  EXPECT_EQ(answer.ids.back(), kEnd);
  EXPECT_EQ(answer.finish.reason, FinishReason::kStop);
  // A stop token of the request's own.
  request = Story(60);
  request.stop_token_ids = {321};
  request.sampling.logit_bias = {{.id = 321, .bias = 100}};
  request.sampling.min_tokens = 5;
  EXPECT_EQ(Complete(request).ids.size(), 6u);
  // Stop strings: a text full of the letter e.
  request = Story(60);
  request.stop = {"e"};
  EXPECT_LT(Complete(request).ids.size(), 30u);
  request.sampling.min_tokens = 30;
  answer = Complete(request);
  EXPECT_GE(answer.ids.size(), 30u);
  EXPECT_THAT(answer.text, testing::HasSubstr("e"));
}

TEST_F(SamplingControlsTest, AStopStringIsPartOfTheTextIfAskedFor) {
  const std::string text = Complete(Story(30)).text;
  const std::string stop = text.substr(text.size() / 2, 5);
  Request request = Story(30);
  request.stop = {stop};
  EXPECT_EQ(Complete(request).text, text.substr(0, text.find(stop)));
  request.include_stop_in_text = true;
  EXPECT_EQ(Complete(request).text, text.substr(0, text.find(stop) + stop.size()));
}

// Slots are used again and again by requests of all kinds: nothing of one is left for the next, and neighbours do not
// matter.
TEST_F(SamplingControlsTest, TheSameRequestGivesTheSameTextWhateverElseRuns) {
  std::vector<Request> requests;
  for (int i = 0; i < 12; ++i) {
    Request request = Story(40);
    SamplingParams& s = request.sampling;
    s.temperature = i % 2 == 0 ? 1 : 0;
    s.seed = static_cast<uint64_t>(i);
    if (i % 3 == 1) s.frequency_penalty = 1;
    if (i % 3 == 2) s.repetition_penalty = 1.3F;
    if (i % 4 == 1) s.logit_bias = {{.id = 11, .bias = 3}};
    if (i % 4 == 3) s.bad_words = {{13}, {17, 19}};
    requests.push_back(request);
  }
  std::vector<std::vector<int32_t>> alone;
  for (const Request& request : requests) alone.push_back(Complete(request).ids);
  std::vector<Generation> together;
  for (const Request& request : requests) together.push_back(engine_->Submit(request).value());
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(Collect(together[i]).ids, alone[i]) << "request " << i;
}

}  // namespace
}  // namespace batucada
