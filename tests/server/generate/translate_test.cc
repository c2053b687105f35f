#include "server/generate/translate.h"

#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "server/common/error.h"
#include "server/generate/work_attempt.h"

namespace batucada {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TranslateTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto loaded = Tokenizer::Load(BATUCADA_SOURCE_DIR "/models/samba-classics-18m");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    tokenizer_ = loaded->release();
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  absl::StatusOr<Translation> Do(const CompletionParams& params) {
    return Translate(params, {.tokenizer = *tokenizer_,
                              .chat_template = chat_template_.get(),
                              .defaults = defaults_,
                              .model_names = names_,
                              .limits = limits_,
                              .max_total_tokens = 100,
                              .vocab_size = tokenizer_->vocab_size()});
  }
  static CompletionParams Hello() {
    CompletionParams params;
    params.prompts = {"Hello there"};
    return params;
  }
  void ExpectRefused(const CompletionParams& params, const std::string& param, const std::string& message) {
    const auto translation = Do(params);
    EXPECT_EQ(translation.status().code(), absl::StatusCode::kInvalidArgument) << param;
    EXPECT_EQ(ErrorParameter(translation.status()), param);
    EXPECT_THAT(std::string(translation.status().message()), HasSubstr(message));
  }

  static const Tokenizer* tokenizer_;
  GenerationConfig defaults_;
  std::unique_ptr<const ChatTemplate> chat_template_;
  RequestBounds limits_ = {.max_prompts = 3, .max_choices = 4};
  std::vector<std::string> names_ = {"main", "alias"};
};
const Tokenizer* TranslateTest::tokenizer_ = nullptr;

TEST_F(TranslateTest, AConnectionsThreadLeavesGrammarsToOthers) {
  CompletionParams params = Hello();
  const WorkAttempt attempt(kInlineBodyBytes);
  EXPECT_TRUE(Do(params).ok());
  EXPECT_FALSE(attempt.deferred());
  // There is no compiler here: to ask for one would end the test.
  params.grammar = GrammarSpec{.kind = GrammarSpec::Kind::kRegex, .text = "a+", .name = "guided_regex"};
  EXPECT_FALSE(Do(params).ok());
  EXPECT_TRUE(attempt.deferred());
}

TEST_F(TranslateTest, EveryFieldArrivesAtBothEndsOfItsRange) {
  for (const SamplingField& field : kSamplingFields) {
    for (const double end : {field.least, field.most}) {
      CompletionParams params = Hello();
      double expected = end;
      if (const auto* integer = std::get_if<IntegerMembers>(&field.members)) {
        params.*integer->asked = static_cast<int64_t>(end);
        expected = std::max(end, 0.0);
      } else {
        params.*std::get<NumberMembers>(field.members).asked = end;
      }
      const auto translation = Do(params);
      if (!WithinBounds(field, end)) {
        EXPECT_EQ(ErrorParameter(translation.status()), field.name);
        continue;
      }
      ASSERT_TRUE(translation.ok()) << field.name << ": " << translation.status();
      std::visit([&](const auto& m) { EXPECT_EQ(translation->requests[0].sampling.*m.value, expected) << field.name; },
                 field.members);
    }
  }
}

TEST_F(TranslateTest, DefaultsAreOpenAisUnlessTheModelHasItsOwn) {
  auto translation = Do(Hello());
  ASSERT_TRUE(translation.ok()) << translation.status();
  ASSERT_EQ(translation->requests.size(), 1);
  EXPECT_EQ(translation->model, "main");
  EXPECT_EQ(translation->requests[0].max_tokens, 16);
  EXPECT_EQ(translation->requests[0].sampling.temperature, 1);
  defaults_.sampling = {.temperature = 0.5, .top_p = 0.9, .top_k = 40};
  translation = Do(Hello());
  EXPECT_EQ(translation->requests[0].sampling.temperature, 0.5F);
  EXPECT_EQ(translation->requests[0].sampling.top_p, 0.9F);
  EXPECT_EQ(translation->requests[0].sampling.top_k, 40);
  CompletionParams params = Hello();
  params.temperature = 0;
  params.top_k = -1;
  translation = Do(params);
  EXPECT_EQ(translation->requests[0].sampling.temperature, 0);
  EXPECT_EQ(translation->requests[0].sampling.top_k, 0);
}

TEST_F(TranslateTest, TextGetsTheStartTokenAndIdsAreTakenAsTheyAre) {
  CompletionParams params;
  params.prompts = {"Hello", std::vector<int32_t>{5, 6}};
  const auto translation = Do(params);
  ASSERT_TRUE(translation.ok());
  EXPECT_EQ(translation->requests[0].prompt, tokenizer_->Encode("Hello", {}).value());
  EXPECT_EQ(translation->requests[0].prompt.front(), 0);
  EXPECT_THAT(translation->requests[1].prompt, ElementsAre(5, 6));
}

TEST_F(TranslateTest, ChoicesAreCountedPromptByPrompt) {
  CompletionParams params = Hello();
  params.prompts.push_back("And you");
  params.n = 3;
  params.seed = -7;
  const auto translation = Do(params);
  ASSERT_TRUE(translation.ok());
  ASSERT_EQ(translation->requests.size(), 2);
  EXPECT_EQ(translation->choices(), 6);
  EXPECT_EQ(translation->PromptOf(2), 0);
  EXPECT_EQ(translation->PromptOf(3), 1);
  EXPECT_NE(translation->requests[0].prompt, translation->requests[1].prompt);
  for (const Request& request : translation->requests) {
    EXPECT_EQ(request.sampling.seed, static_cast<uint64_t>(int64_t{-7}));
  }
}

TEST(ChoiceSeedTest, TheFirstHasTheRequestsAndTheOthersTheirOwn) {
  EXPECT_EQ(ChoiceSeed(7, 0), 7);
  std::set<uint64_t> seeds;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    for (int32_t choice = 0; choice < 16; ++choice) seeds.insert(ChoiceSeed(seed, choice));
  }
  EXPECT_EQ(seeds.size(), 1600);
}

TEST_F(TranslateTest, WithoutASeedEveryRequestGetsAFreshOne) {
  EXPECT_NE(Do(Hello())->requests[0].sampling.seed, Do(Hello())->requests[0].sampling.seed);
  for (int i = 0; i < 100; ++i) {
    EXPECT_LT(Do(Hello())->requests[0].sampling.seed, uint64_t{1} << 31) << "every client can ask for it again";
  }
}

TEST_F(TranslateTest, EchoWithLogprobsScoresThePrompt) {
  CompletionParams params = Hello();
  params.echo = true;
  params.logprobs = 2;
  params.max_tokens = 0;
  auto translation = Do(params);
  ASSERT_TRUE(translation.ok()) << translation.status();
  EXPECT_EQ(translation->requests[0].prompt_logprobs, 2);
  EXPECT_THAT(translation->prompt_text, ElementsAre("Hello there"));
  params.logprobs.reset();
  translation = Do(params);
  ASSERT_TRUE(translation.ok()) << translation.status();
  EXPECT_THAT(translation->prompt_text, ElementsAre("Hello there"));
  EXPECT_EQ(translation->requests[0].max_tokens, 0);
  params.echo = false;
  ExpectRefused(params, "max_tokens", "only answers with the prompt");
}

TEST_F(TranslateTest, UnknownModelIsNotFound) {
  CompletionParams params = Hello();
  params.model = "alias";
  EXPECT_EQ(Do(params)->model, "alias");
  params.model = "other";
  const auto translation = Do(params);
  EXPECT_EQ(translation.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(translation.status().message()), HasSubstr("main, alias"));
  EXPECT_EQ(ErrorParameter(translation.status()), "model");
}

TEST_F(TranslateTest, LimitsAreNamedWithValueAndBound) {
  const auto with = [](auto change) {
    CompletionParams params = Hello();
    change(params);
    return params;
  };
  using P = CompletionParams;
  ExpectRefused(with([](P& p) { p.n = 0; }), "n", "n is 0: it must be 1 to 4");
  ExpectRefused(with([](P& p) { p.n = 5; }), "n", "1 to 4");
  ExpectRefused(with([](P& p) { p.temperature = -0.1; }), "temperature", "-0.1");
  ExpectRefused(with([](P& p) { p.temperature = 2.1; }), "temperature", "at most 2");
  ExpectRefused(with([](P& p) { p.temperature = NAN; }), "temperature", "nan");
  ExpectRefused(with([](P& p) { p.top_p = -0.1; }), "top_p", "at least 0");
  ExpectRefused(with([](P& p) { p.top_p = 1.01; }), "top_p", "at most 1");
  ExpectRefused(with([](P& p) { p.min_p = 1.5; }), "min_p", "at most 1");
  ExpectRefused(with([](P& p) { p.top_k = -2; }), "top_k", "-2");
  ExpectRefused(with([](P& p) { p.repetition_penalty = 0; }), "repetition_penalty", "more than 0");
  ExpectRefused(with([](P& p) { p.presence_penalty = 2.1; }), "presence_penalty", "2.1");
  ExpectRefused(with([](P& p) { p.frequency_penalty = NAN; }), "frequency_penalty", "nan");
  ExpectRefused(with([](P& p) { p.logprobs = 21; }), "logprobs", "0 to 20");
  ExpectRefused(with([](P& p) { p.prompt_logprobs = -1; }), "prompt_logprobs", "0 to 20");
  ExpectRefused(with([](P& p) { p.max_tokens = -1; }), "max_tokens", "-1");
  ExpectRefused(with([](P& p) { p.max_tokens = 99; }), "max_tokens", "maximum context length is 100 tokens. However");
  ExpectRefused(with([](P& p) { p.max_tokens = 101; }), "max_tokens", "maximum context length is 100 tokens. However");
  EXPECT_EQ(ErrorCode(Do(with([](P& p) { p.max_tokens = 101; })).status()), "context_length_exceeded");
  ExpectRefused(with([](P& p) { p.prompts = {std::vector<int32_t>(101, 1)}; }), "prompt",
                "117 tokens (101 in prompt, 16 by max_tokens)");
  ExpectRefused(with([](P& p) { p.prompts = {std::vector<int32_t>{}}; }), "prompt", "empty");
  ExpectRefused(with([](P& p) { p.prompts = {"a", std::vector<int32_t>{1, 8192}}; }), "prompt[1][1]", "0 to 8191");
  ExpectRefused(with([](P& p) { p.prompts.assign(4, "a"); }), "prompt", "at most 3");
  ExpectRefused(with([](P& p) { p.stop.assign(17, "a"); }), "stop", "at most 16");
  ExpectRefused(with([](P& p) { p.stop = {"a", ""}; }), "stop[1]", "empty");
  ExpectRefused(with([](P& p) { p.stop = {std::string(1025, 'a')}; }), "stop[0]", "at most 1024");
  ExpectRefused(with([](P& p) { p.stop_token_ids.assign(65, 1); }), "stop_token_ids", "at most 64");
  ExpectRefused(with([](P& p) { p.stop_token_ids = {0, 8192}; }), "stop_token_ids[1]", "0 to 8191");
}

TEST_F(TranslateTest, AnUpperBoundIsCutToTheRoomThereIs) {
  CompletionParams params = Hello();
  params.open_ended = true;
  for (const int64_t asked : {99, 101, 1 << 30}) {
    params.max_tokens = asked;
    const auto translation = Do(params);
    ASSERT_TRUE(translation.ok()) << translation.status();
    const Request& request = translation->requests[0];
    EXPECT_EQ(request.max_tokens + static_cast<int64_t>(request.prompt.size()), 100);
  }
  params.prompts = {std::vector<int32_t>(100, 1)};
  ExpectRefused(params, "prompt", "maximum context length is 100 tokens");
}

TEST_F(TranslateTest, AConversationIsRenderedAndGetsNoStartTokenOfItsOwn) {
  CompletionParams params;
  params.names = {.prompt = "messages", .max_tokens = "max_completion_tokens", .logprobs = "top_logprobs"};
  params.conversation.emplace();
  params.conversation->messages = {{{"role", "user"}, {"content", "Hello"}}};
  ExpectRefused(params, "messages", "--chat-template");
  chat_template_ = *ChatTemplate::Parse("{% for m in messages %}[{{ m.content }}]{% endfor %}", {});
  auto translation = Do(params);
  ASSERT_TRUE(translation.ok()) << translation.status();
  const std::vector<int32_t> ids = tokenizer_->Encode("[Hello]", {.add_special_tokens = false}).value();
  EXPECT_EQ(translation->requests[0].prompt, ids);
  EXPECT_EQ(translation->requests[0].max_tokens, 100 - static_cast<int64_t>(ids.size())) << "all the room there is";
  params.max_tokens = 100;
  ExpectRefused(params, "max_completion_tokens", "(5 in messages, 100 by max_completion_tokens)");
  params.max_tokens = 5;
  params.logprobs = 21;
  ExpectRefused(params, "top_logprobs", "0 to 20");
  params.logprobs = {};
  chat_template_ = *ChatTemplate::Parse("{{ raise_exception('no users here') }}", {});
  ExpectRefused(params, "messages", "no users here");
}

TEST_F(TranslateTest, TruncationKeepsTheEnd) {
  CompletionParams params;
  params.prompts = {std::vector<int32_t>{1, 2, 3, 4}, std::vector<int32_t>{5}};
  params.truncate_prompt_tokens = 2;
  params.echo = true;
  const auto translation = Do(params);
  ASSERT_TRUE(translation.ok()) << translation.status();
  EXPECT_THAT(translation->requests[0].prompt, ElementsAre(3, 4));
  EXPECT_THAT(translation->requests[1].prompt, ElementsAre(5));
  EXPECT_EQ(translation->prompt_text[0], tokenizer_->Decode(std::vector<int32_t>{3, 4}, true));
  params.truncate_prompt_tokens = 0;
  ExpectRefused(params, "truncate_prompt_tokens", "1 to 100");
  params.truncate_prompt_tokens = -2;
  ExpectRefused(params, "truncate_prompt_tokens", "1 to 100");
}

TEST_F(TranslateTest, TruncationLeavesRoomForWhatIsAskedFor) {
  CompletionParams params;
  std::vector<int32_t> prompt(150);
  std::iota(prompt.begin(), prompt.end(), 3);
  params.prompts = {prompt, std::vector<int32_t>{5}};
  params.truncate_prompt_tokens = -1;
  for (const std::optional<int64_t> asked : {std::optional<int64_t>(30), std::optional<int64_t>()}) {
    params.max_tokens = asked;
    const auto translation = Do(params);
    ASSERT_TRUE(translation.ok()) << translation.status();
    const size_t kept = translation->requests[0].prompt.size();
    EXPECT_EQ(kept + static_cast<size_t>(translation->requests[0].max_tokens), 100);
    EXPECT_EQ(translation->requests[0].prompt.back(), prompt.back());
    EXPECT_THAT(translation->requests[1].prompt, ElementsAre(5));
  }
}

TEST_F(TranslateTest, MinTokensAreAtMostWhatThereIsRoomFor) {
  CompletionParams params = Hello();
  params.min_tokens = 16;
  EXPECT_TRUE(Do(params).ok()) << Do(params).status();
  params.min_tokens = 17;
  ExpectRefused(params, "min_tokens", "is 17: it must be 0 to 16");
  params.max_tokens = 4;
  ExpectRefused(params, "min_tokens", "0 to 4");
  params.min_tokens = -1;
  ExpectRefused(params, "min_tokens", "-1");
}

TEST_F(TranslateTest, OperatorsSetLimits) {
  limits_.max_prompt_tokens = 3;
  limits_.max_stop_strings = 1;
  CompletionParams params;
  params.prompts = {std::vector<int32_t>{1, 2, 3}};
  params.stop = {"a"};
  EXPECT_TRUE(Do(params).ok()) << Do(params).status();
  params.stop = {"a", "b"};
  ExpectRefused(params, "stop", "at most 1");
  params.stop = {};
  params.prompts = {std::vector<int32_t>{1, 2, 3, 4}};
  ExpectRefused(params, "prompt", "is 3 tokens for a prompt. However, prompt has 4 tokens");
  params.truncate_prompt_tokens = 3;
  EXPECT_TRUE(Do(params).ok());
}

TEST_F(TranslateTest, ExactlyTheLimitIsAllowed) {
  CompletionParams params;
  params.prompts = {std::vector<int32_t>(90, 1)};
  params.max_tokens = 10;
  params.logprobs = 20;
  params.temperature = 2;
  params.top_p = 1;
  params.n = 4;
  params.stop.assign(16, std::string(1024, 'a'));
  EXPECT_TRUE(Do(params).ok()) << Do(params).status();
}

TEST(InClientsWordsTest, TheLongestNameThatIsMeant) {
  ParameterNames names;
  names.Call("stop", "options.stop");
  names.Call("stop_token_ids[1]", "end_id");
  names.Call("stop_token_ids", "options.ids");
  const auto told = [&](const char* parameter, const char* message) {
    const absl::Status status = InClientsWords(InvalidParameter(parameter, message, "code"), names);
    return Concat(ErrorParameter(status), " | ", std::string(status.message()), " | ", ErrorCode(status));
  };
  EXPECT_EQ(told("stop[3]", "stop[3] is empty"), "options.stop[3] | options.stop[3] is empty | code");
  EXPECT_EQ(told("stop_token_ids[0]", "stop_token_ids[0] is 7"), "options.ids[0] | options.ids[0] is 7 | code");
  EXPECT_EQ(told("stop_token_ids[1]", "stop_token_ids[1] is 7"), "end_id | end_id is 7 | code");
  EXPECT_EQ(told("stop_token_ids[10]", "stop_token_ids[10] is 7"), "options.ids[10] | options.ids[10] is 7 | code");
  EXPECT_EQ(told("stopping", "stopping is 7"), "stopping | stopping is 7 | code");
  EXPECT_EQ(told("stop", "without it"), "options.stop | without it | code");
}

}  // namespace
}  // namespace batucada
