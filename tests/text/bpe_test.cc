// BPE merging against the textbook algorithm, its running time, and tokenizers shared between threads.
#include "text/bpe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/text/test_util.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

// A random vocabulary over `letters` characters: merges of pieces already there.
Bpe::Config RandomConfig(int letters, int merges, std::mt19937* random) {
  Bpe::Config config;
  std::vector<std::string> pieces;
  const auto add = [&](const std::string& piece) {
    if (config.ids.emplace(piece, static_cast<int32_t>(pieces.size())).second) pieces.push_back(piece);
  };
  add("\xE2\x96\x81");
  for (int i = 0; i < letters; ++i) add(std::string(1, static_cast<char>('a' + i)));
  for (int i = 0; i < merges; ++i) {
    const std::string left = pieces[static_cast<size_t>(Below(static_cast<int>(pieces.size()), random))];
    const std::string right = pieces[static_cast<size_t>(Below(static_cast<int>(pieces.size()), random))];
    // As SentencePiece trains: word marks only in front.
    if (right.find("\xE2\x96\x81") != std::string::npos &&
        left.find_first_not_of("\xE2\x96\x81") != std::string::npos) {
      continue;
    }
    add(left + right);
    config.merges.push_back({config.ids[left], config.ids[right], config.ids[left + right]});
  }
  return config;
}

// Again and again, the leftmost pair of lowest rank.
std::vector<int32_t> MergeByTheBook(const Bpe::Config& config, std::vector<int32_t> symbols) {
  absl::flat_hash_map<std::pair<int32_t, int32_t>, size_t> ranks;
  for (size_t rank = 0; rank < config.merges.size(); ++rank) {
    ranks[{config.merges[rank].left, config.merges[rank].right}] = rank;
  }
  while (true) {
    size_t best_rank = std::numeric_limits<size_t>::max(), best = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto it = ranks.find({symbols[i], symbols[i + 1]});
      if (it != ranks.end() && it->second < best_rank) {
        best_rank = it->second;
        best = i;
      }
    }
    if (best_rank == std::numeric_limits<size_t>::max()) return symbols;
    symbols[best] = config.merges[best_rank].result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(BpeTest, MergesByTheBookWhateverTheLength) {
  std::mt19937 random(17);
  for (int round = 0; round < 200; ++round) {
    const Bpe::Config config = RandomConfig(3, 40, &random);
    const Bpe bpe(config);
    Bpe::Scratch scratch;
    for (const int length : {1, 2, 7, 31, 32, 33, 34, 100, 300}) {
      std::string word;
      std::vector<int32_t> symbols;
      for (int i = 0; i < length; ++i) {
        const std::string c =
            Below(6, &random) == 0 ? "\xE2\x96\x81" : std::string(1, static_cast<char>('a' + Below(3, &random)));
        word += c;
        symbols.push_back(config.ids.at(c));
      }
      const std::vector<int32_t> expected = MergeByTheBook(config, symbols);
      for (int again = 0; again < 2; ++again) {  // from the cache the second time
        std::vector<int32_t> ids;
        bpe.Encode(word, &scratch, &ids);
        ASSERT_EQ(ids, expected) << word;
      }
    }
  }
}

// As Hugging Face's tokenizers encodes them.
TEST(BpeTest, AWordThatIsATokenNeedsNoMerges) {
  Bpe::Config config;
  config.ids = {{"a", 0}, {"b", 1}, {"c", 2}, {"ab", 3}, {"abc", 4}};
  config.merges = {{0, 1, 3}};
  for (const bool ignore_merges : {true, false}) {
    config.ignore_merges = ignore_merges;
    const Bpe bpe(config);
    Bpe::Scratch scratch;
    std::vector<int32_t> whole, longer;
    bpe.Encode("abc", &scratch, &whole);
    EXPECT_EQ(whole, ignore_merges ? std::vector<int32_t>({4}) : std::vector<int32_t>({3, 2}));
    bpe.Encode("abcb", &scratch, &longer);
    EXPECT_EQ(longer, std::vector<int32_t>({3, 2, 1}));
  }
}

double SecondsToEncode(const Tokenizer& tokenizer, const std::string& text) {
  const auto begin = std::chrono::steady_clock::now();
  const auto ids = tokenizer.Encode(text, {});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_TRUE(ids.ok()) << ids.status();
  EXPECT_FALSE(ids->empty());
  return seconds;
}

// A megabyte without a space is one word. Quadratic merging would take 10^12 steps, many minutes.
TEST(BpeTimeTest, AMegabyteWithoutSpacesDoesNotStall) {
  constexpr size_t kSize = 1 << 20;
  std::mt19937 random(19);
  std::string noise, marks;
  while (noise.size() < kSize) noise += static_cast<char>('a' + Below(26, &random));
  while (marks.size() < kSize) marks += "\xE2\x96\x81";
  for (const char* model : {"models/samba-classics-18m", "tests/text/fixtures/llama2", "tests/text/fixtures/gpt2"}) {
    const auto tokenizer = Tokenizer::Load(SourcePath(model));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    for (const std::string& text : {noise, marks, std::string(kSize, 'a'), std::string(kSize, ' ')}) {
      EXPECT_LT(SecondsToEncode(**tokenizer, text), 20.0) << model << ", " << text.substr(0, 8);
    }
  }
}

TEST(TokenizerThreadsTest, ShareOneTokenizer) {
  const auto loaded = Tokenizer::Load(SourcePath("models/samba-classics-18m"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const Tokenizer& tokenizer = **loaded;
  const std::string text = ReadFileOrDie("tests/golden/texts/lost_world.txt").substr(0, 60000);
  const std::vector<int32_t> expected = *tokenizer.Encode(text, {});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(*tokenizer.Encode(text, {}), expected);
        EXPECT_EQ(tokenizer.Decode(expected, true), text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace batucada
