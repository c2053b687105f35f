// What a consumer takes from a channel, event by event, without an engine behind it.
#include "engine/channel.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/generation.h"
#include "text/byte_tokenizer.h"

namespace batucada {
namespace {

std::shared_ptr<Channel> MakeChannel(size_t capacity, const std::vector<std::string>& stop = {}, int32_t min_tokens = 0,
                                     TokenRoom room = nullptr) {
  Request request;
  request.stop = stop;
  request.sampling.min_tokens = min_tokens;
  return std::make_shared<Channel>(capacity, MakeByteTokenizer(300), StopMatcher::Create(stop).value(), request,
                                   std::move(room));
}

bool Say(Channel& channel, char byte) {
  SequenceEvent event;
  event.token = TokenResult{.id = static_cast<unsigned char>(byte)};
  return channel.OnEvent(std::move(event));
}

void SayAll(Channel& channel, std::string_view bytes) {
  for (const char byte : bytes) Say(channel, byte);
}

void End(Channel& channel, FinishReason reason, std::optional<int32_t> stop_token = std::nullopt) {
  SequenceEvent event;
  event.finish = std::make_unique<Finish>();
  event.finish->reason = reason;
  event.finish->stop_token = stop_token;
  channel.OnEvent(std::move(event));
}

TEST(ChannelTest, HalfACharacterIsToldAtTheEnd) {
  const auto channel = MakeChannel(10);
  Say(*channel, '\xC3');
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_EQ(update.text, "") << "the rest may come";
  End(*channel, FinishReason::kLength);
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_NE(update.text, "");
}

TEST(ChannelTest, StopStringsCountFromTheTokenBehindTheLeast) {
  const auto channel = MakeChannel(10, {"b"}, /*min_tokens=*/2);
  SayAll(*channel, "bbb");
  End(*channel, FinishReason::kLength);
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_EQ(update.text, "bb");
  EXPECT_EQ(update.finish->stop_string, "b");
  EXPECT_EQ(update.finish->generated_tokens, 3);
}

// The finish comes a step later.
TEST(ChannelTest, SaysAtOnceThatAStopStringWasFound) {
  const auto channel = MakeChannel(10, {"b"});
  SayAll(*channel, "a");
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_FALSE(update.stopped);
  SayAll(*channel, "b");
  Update last;
  ASSERT_TRUE(channel->Poll(&last));
  EXPECT_TRUE(last.stopped);
  EXPECT_FALSE(last.finish.has_value());
}

TEST(ChannelTest, NothingGoesOnBehindAStopString) {
  const auto channel = MakeChannel(10, {"b"});
  SayAll(*channel, "abcd");
  End(*channel, FinishReason::kStop, /*stop_token=*/'d');
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_EQ(update.text, "a");
  EXPECT_EQ(update.tokens.size(), 2U);
  EXPECT_EQ(update.finish->generated_tokens, 2);
  EXPECT_EQ(update.finish->stop_string, "b");
  EXPECT_FALSE(update.finish->stop_token.has_value()) << "the text ended before it";
}

TEST(ChannelTest, WhatCameBeforeSomebodyListensIsToldAtOnceAndThenEachTime) {
  const auto channel = MakeChannel(10);
  Say(*channel, 'a');
  int told = 0;
  channel->OnReady([&told] { ++told; });
  EXPECT_EQ(told, 1);
  Say(*channel, 'b');
  EXPECT_EQ(told, 1) << "it knows already";
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  Say(*channel, 'c');
  EXPECT_EQ(told, 2);
}

TEST(ChannelTest, WhoFallsBehindIsToldSo) {
  const auto channel = MakeChannel(2);
  EXPECT_TRUE(Say(*channel, 'a'));
  EXPECT_TRUE(Say(*channel, 'b'));
  EXPECT_FALSE(Say(*channel, 'c'));
  End(*channel, FinishReason::kLength);
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_EQ(update.text, "ab");
  EXPECT_EQ(update.finish->reason, FinishReason::kOverrun);
}

TEST(ChannelTest, WhoFallsBehindLosesNothingWhileThereIsRoom) {
  size_t given = 0;
  const auto room = [&](size_t tokens) {
    if (given == 2 * tokens) return false;
    given += tokens;
    return true;
  };
  const auto channel = MakeChannel(2, {}, 0, room);
  for (size_t i = 0; i < 2 + 2 * Channel::kMostAtOnce; ++i) ASSERT_TRUE(Say(*channel, 'a')) << i;
  EXPECT_EQ(given, 2 * Channel::kMostAtOnce);
  EXPECT_FALSE(Say(*channel, 'b'));
  End(*channel, FinishReason::kLength);
  std::string text;
  Update update;
  while (!update.finish) {
    ASSERT_TRUE(channel->Poll(&update));
    text += update.text;
  }
  EXPECT_EQ(text, std::string(given + 2, 'a'));
  EXPECT_EQ(update.finish->reason, FinishReason::kOverrun);
}

// What is held for it is given back with the consumer, however long the step loop still knows the channel.
TEST(ChannelTest, RoomIsGivenBackByWhoLeaves) {
  const auto held = std::make_shared<int>();
  const auto channel = MakeChannel(1, {}, 0, [held](size_t) { return true; });
  SayAll(*channel, "abc");
  channel->Abandon();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(ChannelTest, MuchIsToldInPartsEachOfWhichAnnouncesTheNext) {
  constexpr size_t kTokens = 2 * Channel::kMostAtOnce + 7;
  const auto channel = MakeChannel(1000);
  SayAll(*channel, std::string(kTokens, 'a'));
  End(*channel, FinishReason::kLength);
  int announced = 0;
  channel->OnReady([&] { ++announced; });
  EXPECT_EQ(announced, 1);
  std::string text;
  Update update;
  for (int parts = 1; parts <= 3; ++parts) {
    EXPECT_EQ(announced, parts);
    ASSERT_TRUE(channel->Poll(&update));
    EXPECT_LE(update.tokens.size(), Channel::kMostAtOnce);
    EXPECT_EQ(update.finish.has_value(), parts == 3);
    text += update.text;
  }
  EXPECT_EQ(text, std::string(kTokens, 'a'));
  EXPECT_EQ(update.finish->generated_tokens, static_cast<int64_t>(kTokens));
  EXPECT_EQ(announced, 3);
  EXPECT_FALSE(channel->Poll(&update));
}

TEST(ChannelTest, WhatComesBetweenPartsIsAnnouncedBehindThem) {
  const auto channel = MakeChannel(1000);
  SayAll(*channel, std::string(Channel::kMostAtOnce + 1, 'a'));
  int announced = 0;
  channel->OnReady([&] { ++announced; });
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  Say(*channel, 'b');
  EXPECT_EQ(announced, 2) << "for the rest, which the consumer knows of";
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_EQ(update.text, "a");
  EXPECT_EQ(announced, 3);
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_EQ(update.text, "b");
  Say(*channel, 'c');
  EXPECT_EQ(announced, 4);
}

TEST(ChannelTest, WhatIsLeftOfAPartCountsAsWaiting) {
  const auto channel = MakeChannel(Channel::kMostAtOnce + 10);
  SayAll(*channel, std::string(Channel::kMostAtOnce + 10, 'a'));
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  for (size_t i = 0; i < Channel::kMostAtOnce; ++i) ASSERT_TRUE(Say(*channel, 'b')) << i;
  EXPECT_FALSE(Say(*channel, 'b'));
}

TEST(ChannelTest, ThePromptsScoresComeInPartsAndBeforeItsTokens) {
  const auto channel = MakeChannel(10);
  SequenceEvent event;
  event.prompt_logprobs.resize(Channel::kMostAtOnce + 3);
  for (size_t i = 0; i < event.prompt_logprobs.size(); ++i) event.prompt_logprobs[i].id = static_cast<int32_t>(i);
  event.token = TokenResult{.id = 'a'};
  channel->OnEvent(std::move(event));
  Update update;
  ASSERT_TRUE(channel->Poll(&update));
  EXPECT_EQ(update.prompt_logprobs.size(), Channel::kMostAtOnce);
  EXPECT_TRUE(update.tokens.empty());
  ASSERT_TRUE(channel->Poll(&update));
  ASSERT_EQ(update.prompt_logprobs.size(), 3U);
  EXPECT_EQ(update.prompt_logprobs[0].id, static_cast<int32_t>(Channel::kMostAtOnce));
  EXPECT_EQ(update.text, "a");
  EXPECT_FALSE(channel->Poll(&update));
}

TEST(ChannelTest, NobodyFallsBehindOnceItIsAbandoned) {
  const auto channel = MakeChannel(1);
  channel->Abandon();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Say(*channel, 'a'));
}

TEST(ChannelTest, AGenerationThatTakesAnothersPlaceAbandonsItsOwn) {
  const auto first = MakeChannel(1), second = MakeChannel(1);
  Generation generation(first);
  generation = Generation(second);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Say(*first, 'a'));
  EXPECT_TRUE(Say(*second, 'a'));
  EXPECT_FALSE(Say(*second, 'a')) << "somebody still reads it";
}

}  // namespace
}  // namespace batucada
