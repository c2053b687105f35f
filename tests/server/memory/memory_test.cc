#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "server/common/error.h"
#include "server/generate/estimate.h"
#include "server/memory/account.h"
#include "server/memory/limit.h"
#include "server/net/patience.h"

namespace batucada {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(MemoryAccountTest, ChargesComeBackWhenTheyEnd) {
  MemoryAccount account(64 * kMiB);
  {
    absl::StatusOr<MemoryCharge> charge = account.Charge(MemoryPart::kBody, kMiB);
    ASSERT_TRUE(charge.ok());
    EXPECT_TRUE(charge->Resize(3 * kMiB).ok());
    EXPECT_EQ(account.used(), 3 * kMiB);
    const MemoryCharge moved = *std::move(charge);
    EXPECT_EQ(account.used(MemoryPart::kBody), 3 * kMiB);
    EXPECT_EQ(account.used(MemoryPart::kAnswer), 0);
  }
  EXPECT_EQ(account.used(), 0);
}

TEST(MemoryAccountTest, SaysWhichPartIsTooLargeAndWhetherWaitingHelps) {
  MemoryAccount account(64 * kMiB);
  const absl::Status never = account.Charge(MemoryPart::kScores, 100 * kMiB).status();
  EXPECT_EQ(never.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(HttpStatusOf(never), 413);
  EXPECT_NE(never.message().find("log-probabilities of its prompts"), never.message().npos) << never;
  const absl::StatusOr<MemoryCharge> other = account.Charge(MemoryPart::kBody, 40 * kMiB);
  ASSERT_TRUE(other.ok());
  const absl::Status now = account.Charge(MemoryPart::kPrompt, 20 * kMiB).status();
  EXPECT_EQ(HttpStatusOf(now), 429);
  EXPECT_NE(now.message().find("its prompts"), now.message().npos) << now;
  EXPECT_EQ(account.refused(MemoryPart::kScores), 1);
  EXPECT_EQ(account.refused(MemoryPart::kPrompt), 1);
  EXPECT_EQ(account.used(), 40 * kMiB);
}

TEST(MemoryAccountTest, KeepsRoomForSmallCharges) {
  MemoryAccount account(64 * kMiB);
  std::vector<MemoryCharge> large;
  while (true) {
    absl::StatusOr<MemoryCharge> charge = account.Charge(MemoryPart::kBody, kMiB);
    if (!charge.ok()) break;
    large.push_back(*std::move(charge));
  }
  EXPECT_EQ(large.size(), 56);
  EXPECT_TRUE(account.Charge(MemoryPart::kBody, kMiB / 4).ok());
}

TEST(MemoryAccountTest, NeverGivesMoreThanTheBudgetToThreads) {
  MemoryAccount account(64 * kMiB);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&account] {
      for (int i = 0; i < 2000; ++i) {
        absl::StatusOr<MemoryCharge> charge = account.Charge(MemoryPart::kBody, (1 + i % 20) * kMiB);
        EXPECT_LE(account.used(), account.budget());
        if (charge.ok()) static_cast<void>(charge->Resize((1 + i % 7) * kMiB));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(account.used(), 0);
}

class MemoryLimitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(::testing::TempDir()) / ("memory_limit" + std::to_string(getpid()));
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::filesystem::path root_;
};

TEST_F(MemoryLimitTest, TakesTheTightestOfMachineAndControlGroups) {
  Write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
  EXPECT_EQ(ProcessMemoryLimit(root_), int64_t{16} << 30);
  Write("proc/self/cgroup", "0::/pods/one\n");
  Write("sys/fs/cgroup/pods/one/memory.max", "max\n");
  EXPECT_EQ(ProcessMemoryLimit(root_), int64_t{16} << 30);
  Write("sys/fs/cgroup/pods/memory.max", "2147483648\n");
  EXPECT_EQ(ProcessMemoryLimit(root_), int64_t{2} << 30) << "the group above is the tighter one";
  Write("proc/self/cgroup", "12:cpu,cpuacct:/x\n9:memory:/docker/abc\n");
  Write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(ProcessMemoryLimit(root_), int64_t{1} << 30) << "version 1";
  Write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(ProcessMemoryLimit(root_), int64_t{16} << 30) << "version 1's way to say none";
  EXPECT_EQ(DefaultRequestMemory(int64_t{16} << 30), int64_t{4} << 30);
  EXPECT_EQ(TlsConnectionsThatFit(int64_t{64} << 20), 1024);
  EXPECT_EQ(TlsConnectionsThatFit(1), 64);
}

TEST(EstimateTest, APromptIsItsIdsItsEchoesAndWhatSamplingIsTold) {
  Translation translation;
  translation.choices_per_prompt = 2;
  translation.requests.resize(2);
  EXPECT_EQ(PromptBytes(translation), 0);
  Request& any = translation.requests.front();
  any.sampling.allowed_token_ids = std::vector<int32_t>(100, 1);
  const int64_t allowed = PromptBytes(translation);
  EXPECT_EQ(allowed, 400);
  any.sampling.logit_bias = std::vector<LogitBias>(10);
  EXPECT_EQ(PromptBytes(translation) - allowed, static_cast<int64_t>(10 * sizeof(LogitBias)));
  translation.prompt_text = {"abc"};
  EXPECT_EQ(PromptBytes(translation) - allowed, static_cast<int64_t>(10 * sizeof(LogitBias)) + 9);
}

TEST(EstimateTest, CountsValuesOutsideOfStringsOnly) {
  std::string commas, escapes;
  for (int i = 0; i < 500; ++i) {
    commas += ", ";
    escapes += "\\ ";
  }
  const int64_t text = ParsingBytes(R"({"prompt":")" + commas + R"("})");
  const int64_t escaped = ParsingBytes(R"({"prompt":")" + escapes + R"("})");
  std::string ids = R"({"prompt":[1)";
  for (int i = 0; i < 500; ++i) ids += ",1";
  EXPECT_EQ(text, escaped);
  EXPECT_GT(ParsingBytes(ids + "]}"), 2 * text) << "a list of ids becomes much more than its bytes";
  EXPECT_GT(ParsingBytes("\"no end\\"), 0);
  const auto text_of = [](const std::string& piece) {
    std::string long_text;
    while (long_text.size() < 10'000) long_text += piece;
    return R"({"prompt":")" + long_text + R"("})";
  };
  const int64_t words = ParsingBytes(text_of("word "));
  EXPECT_LT(words, 13 * 10'000);
  EXPECT_GT(ParsingBytes(text_of("w")), 4 * words) << "merging one word takes more than reading many";
  EXPECT_GT(ParsingBytes(text_of(" ")), 4 * words);
  EXPECT_LT(ParsingBytes("[" + std::string(10'000, '1') + "]"), words + 1000) << "only texts are tokenized";
}

TEST(EstimateTest, FindsTheLongestWordWhereverItIs) {
  // Every byte looked at, one after the other.
  const auto longest = [](const std::string& text) {
    const auto kind = [](char c) {
      return c == ' ' ? 0 : c >= 0 && c < ' ' && c != '\n' && c != '\t' && c != '\r' ? 1 : 2;
    };
    int64_t most = 0, row = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      row = i > 0 && kind(text[i]) == kind(text[i - 1]) ? row + 1 : 1;
      if (kind(text[i]) != 1) most = std::max(most, row);
    }
    return most;
  };
  const int64_t one = WordBytes("a");
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (uint32_t rows = random() % 12; rows > 0; --rows)
      text += std::string(random() % 9, " a\x01\n\xff"[random() % 5]);
    EXPECT_EQ(WordBytes(text), longest(text) * one) << testing::PrintToString(text);
  }
}

TEST(EstimateTest, StringsEndAtTheirQuotes) {
  const int64_t empty = ParsingBytes(R"([""])"), byte = ParsingBytes(R"(["" ])") - empty;
  const int64_t value = ParsingBytes(R"(["",])") - empty - byte;
  // Each with a comma outside of the strings, whatever is escaped inside.
  for (const std::string text : {R"(a\\)", R"(\")", R"(\\\")", R"(\\\\)", R"(,\",)", R"(\",\\)"}) {
    EXPECT_EQ(ParsingBytes("[\"" + text + "\" ,]") - ParsingBytes("[\"" + text + "\"  ]"), value) << text;
  }
}

TEST(PatienceTest, SteadyTransfersBuyTimeAndDripsDoNot) {
  Patience steady(absl::Seconds(10), 1000), drip(absl::Seconds(10), 1000);
  for (int second = 0; second < 100; ++second) {
    steady.OnWaited(absl::Seconds(1));
    steady.OnMoved(1000);
    drip.OnWaited(absl::Seconds(1));
    drip.OnMoved(1);
  }
  EXPECT_EQ(steady.left(), absl::Seconds(10));
  EXPECT_LT(drip.left(), absl::ZeroDuration());
  steady.OnMoved(1'000'000);
  EXPECT_EQ(steady.left(), absl::Seconds(10)) << "no more than the grace is kept";
}

}  // namespace
}  // namespace batucada
