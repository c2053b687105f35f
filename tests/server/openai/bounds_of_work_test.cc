// What one request may make the server do, and with which right.
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "server/common/error.h"
#include "server/generate/translate.h"

namespace batucada {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BoundsOfWorkTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = Tokenizer::Load(BATUCADA_SOURCE_DIR "/models/samba-classics-18m")->release();
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  absl::StatusOr<Translation> Do(const CompletionParams& params) {
    return Translate(params, {.tokenizer = *tokenizer_,
                              .chat_template = chat_template_.get(),
                              .defaults = defaults_,
                              .model_names = names_,
                              .limits = limits_,
                              .max_total_tokens = 10'000'000,
                              .vocab_size = tokenizer_->vocab_size(),
                              .client = client_});
  }
  static CompletionParams Of(size_t prompts, int64_t choices, int64_t max_tokens) {
    CompletionParams params;
    params.prompts.assign(prompts, std::vector<int32_t>{1, 2, 3});
    params.n = choices;
    params.max_tokens = max_tokens;
    return params;
  }

  static const Tokenizer* tokenizer_;
  GenerationConfig defaults_;
  std::unique_ptr<const ChatTemplate> chat_template_;
  RequestBounds limits_;
  Client client_;
  std::vector<std::string> names_ = {"main"};
};
const Tokenizer* BoundsOfWorkTest::tokenizer_ = nullptr;

TEST_F(BoundsOfWorkTest, AllChoicesTogetherHaveABound) {
  limits_.max_generated_tokens = 1000;
  EXPECT_TRUE(Do(Of(5, 2, 100)).ok());
  const absl::Status refused = Do(Of(5, 2, 101)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorParameter(refused), "max_tokens");
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("10 choices"), HasSubstr("1010 tokens"), HasSubstr("at most 1000")));
}

TEST_F(BoundsOfWorkTest, WithoutASettingOneChoiceMayHaveAllTheModelTakes) {
  EXPECT_TRUE(Do(Of(1, 1, 9'999'997)).ok());
  EXPECT_FALSE(Do(Of(1, 2, 9'999'997)).ok());
  EXPECT_FALSE(Do(Of(64, 16, 1'000'000)).ok()) << "a few hundred bytes that ask for a milliard tokens";
}

TEST_F(BoundsOfWorkTest, AChatThatSaysNothingEnds) {
  chat_template_ = *ChatTemplate::Parse("{% for m in messages %}[{{ m.content }}]{% endfor %}", {});
  CompletionParams params;
  params.conversation.emplace();
  params.conversation->messages = {{{"role", "user"}, {"content", "Hello"}}};
  EXPECT_EQ(Do(params)->requests.front().max_tokens, 4096);
  limits_.default_max_tokens = 7;
  EXPECT_EQ(Do(params)->requests.front().max_tokens, 7);
  params.max_tokens = 100'000;
  EXPECT_EQ(Do(params)->requests.front().max_tokens, 100'000) << "who says how many gets them";
}

TEST_F(BoundsOfWorkTest, EveryRequestEndsInTime) {
  limits_.max_time = absl::Minutes(5);
  const absl::Time before = ProcessNow();
  CompletionParams params = Of(1, 1, 1);
  const absl::Time deadline = Do(params)->requests.front().deadline;
  EXPECT_GE(deadline, before + absl::Minutes(5));
  EXPECT_LE(deadline, ProcessNow() + absl::Minutes(5));
  params.deadline = before + absl::Seconds(1);
  EXPECT_EQ(Do(params)->requests.front().deadline, params.deadline) << "its own comes first";
  limits_.max_time = absl::ZeroDuration();
  params.deadline = absl::InfiniteFuture();
  EXPECT_EQ(Do(params)->requests.front().deadline, absl::InfiniteFuture());
}

TEST_F(BoundsOfWorkTest, PriorityCountsAsFarAsTheKeyAllows) {
  CompletionParams params = Of(1, 1, 1);
  const auto counts_as = [&](int64_t priority) {
    params.priority = priority;
    return Do(params)->requests.front().priority;
  };
  EXPECT_EQ(counts_as(-1000), 0);
  EXPECT_EQ(counts_as(-1), 0);
  EXPECT_EQ(counts_as(5), 5);
  client_.rights.most_urgent = -10;
  EXPECT_EQ(counts_as(-1000), -10);
  EXPECT_EQ(counts_as(-3), -3);
  client_.rights.most_urgent = 2;
  EXPECT_EQ(counts_as(0), 2);
  params.priority = {};
  EXPECT_EQ(Do(params)->requests.front().priority, 2);
}

TEST_F(BoundsOfWorkTest, PromptsOfOneRequestAreOneGroupOfOneClient) {
  client_.key = 7;
  std::set<uint64_t> groups;
  for (int i = 0; i < 3; ++i) {
    const Translation translation = *Do(Of(4, 1, 1));
    groups.insert(translation.requests.front().group);
    for (const Request& request : translation.requests) {
      EXPECT_EQ(request.group, translation.requests.front().group);
      EXPECT_EQ(request.client, 7);
    }
  }
  EXPECT_EQ(groups.size(), 3);
  EXPECT_FALSE(groups.contains(0));
}

}  // namespace
}  // namespace batucada
