#include "server/generate/logit_controls.h"

#include <cmath>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/common/error.h"

namespace batucada {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LogitControlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto loaded = Tokenizer::Load(BATUCADA_SOURCE_DIR "/models/samba-classics-18m");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    tokenizer_ = loaded->release();
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  absl::Status Do(const CompletionParams& params) {
    request_ = {};
    return TranslateLogitControls(params,
                                  {.tokenizer = *tokenizer_,
                                   .defaults = defaults_,
                                   .model_names = names_,
                                   .limits = {.max_logit_biases = 2},
                                   .max_total_tokens = 100,
                                   .vocab_size = tokenizer_->vocab_size()},
                                  &request_);
  }
  void ExpectRefused(const CompletionParams& params, const std::string& param, const std::string& message) {
    const absl::Status status = Do(params);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << param;
    EXPECT_EQ(ErrorParameter(status), param);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }

  static const Tokenizer* tokenizer_;
  GenerationConfig defaults_;
  std::vector<std::string> names_ = {"m"};
  Request request_;
};
const Tokenizer* LogitControlsTest::tokenizer_ = nullptr;

TEST_F(LogitControlsTest, NothingAskedForChangesNothing) {
  ASSERT_TRUE(Do({}).ok());
  EXPECT_FALSE(request_.sampling.controls_logits());
}

TEST_F(LogitControlsTest, EverythingArrives) {
  CompletionParams params;
  params.logit_bias = {{5, -100}, {7, 1.5}};
  params.min_tokens = 3;
  params.allowed_token_ids = {{7, 8}};
  ASSERT_TRUE(Do(params).ok()) << Do(params);
  const SamplingParams& sampling = request_.sampling;
  ASSERT_EQ(sampling.logit_bias.size(), 2);
  EXPECT_EQ(sampling.logit_bias[1].id, 7);
  EXPECT_EQ(sampling.logit_bias[1].bias, 1.5F);
  EXPECT_EQ(sampling.min_tokens, 3);
  EXPECT_THAT(sampling.allowed_token_ids, ElementsAre(7, 8));
}

TEST_F(LogitControlsTest, BadWordsAreMeantWithAndWithoutABlank) {
  CompletionParams params;
  params.bad_words = {" night"};
  ASSERT_TRUE(Do(params).ok());
  const auto encode = [](const char* text) { return tokenizer_->Encode(text, {.add_special_tokens = false}).value(); };
  EXPECT_THAT(request_.sampling.bad_words, ElementsAre(encode("night"), encode(" night")));
}

TEST_F(LogitControlsTest, LimitsAreNamedWithValueAndBound) {
  const auto with = [](auto change) {
    CompletionParams params;
    change(params);
    return params;
  };
  using P = CompletionParams;
  ExpectRefused(with([](P& p) { p.logit_bias = {{1, 1}, {2, 1}, {3, 1}}; }), "logit_bias", "at most 2");
  ExpectRefused(with([](P& p) { p.logit_bias = {{-1, 1}}; }), "logit_bias", "0 to 8191");
  ExpectRefused(with([](P& p) { p.logit_bias = {{1, -101}}; }), "logit_bias.1", "-101");
  ExpectRefused(with([](P& p) { p.logit_bias = {{1, 1}, {1, 2}}; }), "logit_bias", "token id 1 twice");
  ExpectRefused(with([](P& p) { p.allowed_token_ids.emplace(); }), "allowed_token_ids", "empty");
  ExpectRefused(with([](P& p) { p.allowed_token_ids = {{1, 8192}}; }), "allowed_token_ids[1]", "8192");
  ExpectRefused(with([](P& p) { p.bad_words = {"a", " "}; }), "bad_words[1]", "empty");
  ExpectRefused(with([](P& p) { p.bad_words.assign(33, "a"); }), "bad_words", "at most 32");
  ExpectRefused(with([](P& p) { p.bad_words = {"one two three four five six seven eight nine"}; }), "bad_words[0]",
                "at most 8");
}

}  // namespace
}  // namespace batucada
