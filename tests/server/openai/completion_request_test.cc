#include "server/openai/completion_request.h"

#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/common/error.h"

namespace batucada {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CompletionRequestTest, ReadsEverything) {
  const auto params = ParseCompletionRequest(
      R"({"model":"m","prompt":"hi","max_tokens":7,"n":2,"best_of":2,"temperature":0,"top_p":0.5,"top_k":-1,"min_p":0.1,
          "seed":-3,"stop":["a","b"],"stop_token_ids":[1,2],"ignore_eos":true,"logprobs":3,"prompt_logprobs":1,"echo":true,
          "return_token_ids":true,"stream":true,"stream_options":{"include_usage":true},"user":"u",
          "skip_special_tokens":false,"suffix":null,"logit_bias":{"5":-1,"7":2.5},"presence_penalty":0.5,
          "frequency_penalty":-1,"repetition_penalty":1.5,"min_tokens":3,"allowed_token_ids":[7],"bad_words":["x"]})");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->model, "m");
  EXPECT_THAT(params->prompts, ElementsAre(Prompt("hi")));
  EXPECT_EQ(params->max_tokens, 7);
  EXPECT_EQ(params->n, 2);
  EXPECT_EQ(params->temperature, 0);
  EXPECT_EQ(params->top_p, 0.5);
  EXPECT_EQ(params->top_k, -1);
  EXPECT_EQ(params->min_p, 0.1);
  EXPECT_EQ(params->seed, -3);
  EXPECT_THAT(params->stop, ElementsAre("a", "b"));
  EXPECT_THAT(params->stop_token_ids, ElementsAre(1, 2));
  EXPECT_TRUE(params->ignore_eos && params->echo && params->return_token_ids && params->stream &&
              params->include_usage);
  EXPECT_FALSE(params->skip_special_tokens);
  EXPECT_THAT(params->logit_bias, ElementsAre(std::pair(5, -1.0), std::pair(7, 2.5)));
  EXPECT_EQ(params->presence_penalty, 0.5);
  EXPECT_EQ(params->frequency_penalty, -1);
  EXPECT_EQ(params->repetition_penalty, 1.5);
  EXPECT_EQ(params->min_tokens, 3);
  EXPECT_THAT(*params->allowed_token_ids, ElementsAre(7));
  EXPECT_THAT(params->bad_words, ElementsAre("x"));
  EXPECT_EQ(params->logprobs, 3);
  EXPECT_EQ(params->prompt_logprobs, 1);
}

TEST(CompletionRequestTest, PromptsComeInFourForms) {
  const auto prompts = [](const std::string& json) {
    return ParseCompletionRequest("{\"prompt\":" + json + "}")->prompts;
  };
  using Ids = std::vector<int32_t>;
  EXPECT_THAT(prompts(R"("a")"), ElementsAre(Prompt("a")));
  EXPECT_THAT(prompts(R"(["a","b"])"), ElementsAre(Prompt("a"), Prompt("b")));
  EXPECT_THAT(prompts("[1,2]"), ElementsAre(Prompt(Ids{1, 2})));
  EXPECT_THAT(prompts("[[1],[2,3]]"), ElementsAre(Prompt(Ids{1}), Prompt(Ids{2, 3})));
  EXPECT_THAT(prompts(R"(["a",[2,3]])"), ElementsAre(Prompt("a"), Prompt(Ids{2, 3})));
  // Long ones are read apart from the rest.
  Ids many(5000);
  std::iota(many.begin(), many.end(), 0);
  const std::string list = fmt::format("[{}]", fmt::join(many, ", "));
  EXPECT_THAT(prompts(list), ElementsAre(Prompt(many)));
  EXPECT_THAT(prompts(list + R"(, "seed": 1)"), ElementsAre(Prompt(many)));
  EXPECT_THAT(prompts(fmt::format("[{}, [7]]", list)), ElementsAre(Prompt(many), Prompt(Ids{7})));
  EXPECT_FALSE(ParseCompletionRequest(fmt::format(R"({{"prompt": {}, "unheard": {}}})", list, list)).ok());
}

TEST(CompletionRequestTest, NullMeansDefault) {
  const auto params =
      ParseCompletionRequest(R"({"prompt":"a","max_tokens":null,"stop":null,"stream":null,"tools":null})");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_FALSE(params->max_tokens.has_value());
}

struct BadCompletion {
  const char* json;
  const char* param;    // named by the error
  const char* message;  // part of it
};

class BadCompletionRequestTest : public ::testing::TestWithParam<BadCompletion> {};

TEST_P(BadCompletionRequestTest, IsRefusedByName) {
  const auto params = ParseCompletionRequest(GetParam().json);
  ASSERT_EQ(params.status().code(), absl::StatusCode::kInvalidArgument) << GetParam().json;
  EXPECT_EQ(ErrorParameter(params.status()), GetParam().param) << params.status();
  EXPECT_THAT(std::string(params.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadCompletionRequestTest,
    ::testing::Values(
        BadCompletion{"", "", "JSON"}, BadCompletion{"{", "", "JSON"}, BadCompletion{"[]", "", "must be a JSON object"},
        BadCompletion{"\"prompt\"", "", "must be a JSON object"}, BadCompletion{R"({"prompt":"a"}x)", "", "JSON"},
        BadCompletion{R"({"prompt":"a","prompt":"b"})", "", "twice"},
        BadCompletion{"{\"prompt\":\"\xff\"}", "", "JSON"}, BadCompletion{"{}", "prompt", "missing"},
        BadCompletion{R"({"prompt":null})", "prompt", "missing"},
        BadCompletion{R"({"prompt":7})", "prompt", "not the number 7"},
        BadCompletion{R"({"prompt":{}})", "prompt", "not an object"},
        BadCompletion{R"({"prompt":[]})", "prompt", "empty list"},
        BadCompletion{R"({"prompt":[1,"a"]})", "prompt[1]", "token id, not a string"},
        BadCompletion{R"({"prompt":[1.5]})", "prompt[0]", "token id"},
        BadCompletion{R"({"prompt":[-1]})", "prompt[0]", "token id"},
        BadCompletion{R"({"prompt":[3000000000]})", "prompt[0]", "token id"},
        BadCompletion{R"({"prompt":["a",7]})", "prompt[1]", "string or a list of token ids"},
        BadCompletion{R"({"prompt":[[1],[null]]})", "prompt[1][0]", "token id"},
        BadCompletion{R"({"prompt":"a","model":1})", "model", "must be a string"},
        BadCompletion{R"({"prompt":"a","max_tokens":"9"})", "max_tokens", "must be an integer, not a string"},
        BadCompletion{R"({"prompt":"a","max_tokens":1.5})", "max_tokens", "must be an integer"},
        BadCompletion{R"({"prompt":"a","max_tokens":true})", "max_tokens", "not true"},
        BadCompletion{R"({"prompt":"a","seed":18446744073709551615})", "seed", "too large"},
        BadCompletion{R"({"prompt":"a","temperature":"hot"})", "temperature", "must be a number"},
        BadCompletion{R"({"prompt":"a","top_p":[]})", "top_p", "must be a number, not a list"},
        BadCompletion{R"({"prompt":"a","stop":7})", "stop", "string or a list of strings"},
        BadCompletion{R"({"prompt":"a","stop":["x",7]})", "stop[1]", "must be a string"},
        BadCompletion{R"({"prompt":"a","stop_token_ids":["x"]})", "stop_token_ids[0]", "must be an integer"},
        BadCompletion{R"({"prompt":"a","echo":1})", "echo", "true or false"},
        BadCompletion{R"({"prompt":"a","stream":"yes"})", "stream", "true or false"},
        BadCompletion{R"({"prompt":"a","stream_options":{"include_usage":true}})", "stream_options",
                      "only allowed with"},
        BadCompletion{R"({"prompt":"a","stream":true,"stream_options":7})", "stream_options", "must be an object"},
        BadCompletion{R"({"prompt":"a","stream":true,"stream_options":{"x":1}})", "stream_options.x",
                      "not a parameter"},
        BadCompletion{R"({"prompt":"a","user":7})", "user", "must be a string"},
        BadCompletion{R"({"prompt":"a","n":4,"best_of":3})", "best_of", "at least n"},
        BadCompletion{R"({"prompt":"a","suffix":"b"})", "suffix", "not supported"},
        BadCompletion{R"({"prompt":"a","presence_penalty":"x"})", "presence_penalty", "must be a number"},
        BadCompletion{R"({"prompt":"a","priority":"high"})", "priority", "must be an integer"},
        BadCompletion{R"({"prompt":"a","logit_bias":7})", "logit_bias", "must be an object"},
        BadCompletion{R"({"prompt":"a","logit_bias":{"1.5":2}})", "logit_bias.1.5", "not a token id"},
        BadCompletion{R"({"prompt":"a","logit_bias":{"1":true}})", "logit_bias.1", "not true"},
        BadCompletion{R"({"prompt":"a","bad_words":"x"})", "bad_words", "list of strings"},
        BadCompletion{R"({"prompt":"a","bad_words":[7]})", "bad_words[0]", "must be a string"},
        BadCompletion{R"({"prompt":"a","allowed_token_ids":[null]})", "allowed_token_ids[0]", "not null"},
        BadCompletion{R"({"prompt":"a","tools":[{}]})", "tools", "not supported"},
        BadCompletion{R"({"prompt":"a","functions":[{}]})", "functions", "not supported"},
        BadCompletion{R"({"prompt":"a","stop_regex":"x"})", "stop_regex", "not supported"},
        BadCompletion{R"({"prompt":"a","temprature":1})", "temprature", "not a parameter"}));

TEST(CompletionRequestTest, DeepNestingIsRefusedNotFollowed) {
  std::string json = R"({"prompt":)";
  for (int i = 0; i < 100'000; ++i) json += '[';
  EXPECT_EQ(ParseCompletionRequest(json).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ErrorJsonTest, HasOpenAisShape) {
  EXPECT_EQ(ErrorJson(InvalidParameter("n", "n is 0")),
            R"({"error":{"message":"n is 0","type":"invalid_request_error","param":"n","code":"invalid_value"}})");
  EXPECT_EQ(ErrorJson(absl::ResourceExhaustedError("full")),
            R"({"error":{"message":"full","type":"rate_limit_error","param":null,"code":null}})");
}

TEST(ErrorJsonTest, TheTypeIsThatOfTheStatus) {
  const std::pair<absl::Status, const char*> types[] = {{absl::UnauthenticatedError("x"), "authentication_error"},
                                                        {absl::PermissionDeniedError("x"), "permission_error"},
                                                        {absl::NotFoundError("x"), "invalid_request_error"},
                                                        {absl::CancelledError("x"), "cancelled_error"},
                                                        {absl::ResourceExhaustedError("x"), "rate_limit_error"},
                                                        {absl::UnavailableError("x"), "service_unavailable_error"},
                                                        {absl::DeadlineExceededError("x"), "timeout_error"},
                                                        {absl::InternalError("x"), "server_error"}};
  for (const auto& [status, type] : types) {
    EXPECT_THAT(ErrorJson(status), HasSubstr(fmt::format(R"("type":"{}")", type))) << status;
  }
}

TEST(CacheParametersTest, ALifetimeIsANumberAndAUnit) {
  for (const char* sound : {"1s", "30m", "24h", "7d", "123456789d"}) {
    EXPECT_TRUE(ParseCompletionRequest(fmt::format(R"({{"prompt": "a", "prompt_cache_retention": "{}"}})", sound)).ok())
        << sound;
  }
  for (const char* none : {"d", "7", "1w", "1.5h", "-1h", "1 h", "1234567890d"}) {
    EXPECT_FALSE(ParseCompletionRequest(fmt::format(R"({{"prompt": "a", "prompt_cache_retention": "{}"}})", none)).ok())
        << none;
  }
}

}  // namespace
}  // namespace batucada
