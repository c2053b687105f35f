// What grammars cost: to make one of a schema, and the mask before each token of a text that is drawn from it.
// Processor time of one thread, so that other work on the machine does not count.
//
//   grammar_bench IDS TEXT… < SCHEMAS            a JSON Schema in each line; figures to the standard output
//   grammar_bench IDS --ranks FILE < SCHEMAS
//
// The vocabulary has that many ids. Of texts: every byte, and the pieces of words that are the most frequent in them,
// with the blank before them, which is what byte-level vocabularies are made of; and pairs of them where those do not
// suffice. Of ranks: what OpenAI publishes of its vocabularies, a line a token, its bytes in base64 before its id.
#include <time.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace {

using namespace batucada;

constexpr int kTexts = 6;         // drawn from each grammar
constexpr int kMostTokens = 200;  // of a text

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::vector<std::string> Pieces(const std::vector<std::string>& paths, size_t wanted) {
  std::map<std::string, int64_t> counts;
  for (const std::string& path : paths) {
    std::ifstream file(path);
    for (std::string word; file >> word;) {
      word.resize(std::min<size_t>(word.size(), 16));
      word.insert(0, " ");
      for (const size_t begin : {size_t{0}, size_t{1}}) {
        for (size_t size = 2; begin + size <= word.size(); ++size) ++counts[word.substr(begin, size)];
      }
    }
  }
  std::vector<std::pair<int64_t, std::string>> sorted;
  for (const auto& [piece, count] : counts) sorted.emplace_back(-count, piece);
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> pieces;
  for (size_t i = 0; i < sorted.size() && pieces.size() < wanted; ++i) pieces.push_back(sorted[i].second);
  std::set<std::string> made(pieces.begin(), pieces.end());
  for (size_t i = 0; pieces.size() < wanted; ++i) {
    std::string pair = sorted[i % 701].second + sorted[i / 701].second;
    if (made.insert(pair).second) pieces.push_back(std::move(pair));
  }
  return pieces;
}

std::vector<std::string> BytesAndPieces(const std::vector<std::string>& paths, size_t wanted) {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  for (std::string& piece : Pieces(paths, wanted - tokens.size())) tokens.push_back(std::move(piece));
  return tokens;
}

std::vector<std::string> Ranks(const std::string& path, size_t most) {
  std::vector<std::string> tokens;
  std::ifstream file(path);
  std::string base64, bytes;
  for (size_t rank = 0; file >> base64 >> rank && absl::Base64Unescape(base64, &bytes) && rank < most;) {
    tokens.resize(std::max(tokens.size(), rank + 1));
    tokens[rank] = bytes;
  }
  return tokens;
}

// Ids without a token are special ones, which no text has.
TokenTable MakeTable(size_t ids, const std::vector<std::string>& tokens) {
  std::vector<TokenTable::Entry> entries(ids);
  for (size_t id = 0; id < ids; ++id) {
    TokenTable::Entry& entry = entries[id];
    const bool there = id < tokens.size() && !tokens[id].empty();
    entry.kind = there ? TokenKind::kBytes : TokenKind::kUndefined;
    entry.content = "<" + std::to_string(id) + ">";
    if (there) entry.bytes = entry.start_bytes = tokens[id];
  }
  return TokenTable(std::move(entries), StreamRules{});
}

class PieceTokenizer : public Tokenizer {
 public:
  explicit PieceTokenizer(TokenTable table) : Tokenizer(std::move(table)) {}
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view, const EncodeOptions&) const override {
    return absl::UnimplementedError("nothing is encoded here");
  }
};

// One of the ids whose bits are set, each as likely as another; -1: there is none.
int32_t Drawn(std::span<const uint32_t> mask, std::mt19937_64& random) {
  size_t allowed = 0;
  for (const uint32_t word : mask) allowed += static_cast<size_t>(std::popcount(word));
  if (allowed == 0) return -1;
  size_t left = random() % allowed;
  for (size_t i = 0;; ++i) {
    const auto here = static_cast<size_t>(std::popcount(mask[i]));
    if (left >= here) {
      left -= here;
      continue;
    }
    uint32_t word = mask[i];
    for (; left > 0; --left) word &= word - 1;
    return static_cast<int32_t>(i) * 32 + std::countr_zero(word);
  }
}

struct Figures {
  std::vector<double> seconds;
  void Add(double begin) { seconds.push_back(ThreadSeconds() - begin); }
  void Print(const char* what, double unit, const char* name) {
    if (seconds.empty()) return;
    std::sort(seconds.begin(), seconds.end());
    const auto at = [&](double part) {
      return seconds[static_cast<size_t>(part * static_cast<double>(seconds.size() - 1))] / unit;
    };
    std::printf("%s: %zu, p50 %.3f p90 %.3f p99 %.3f p99.9 %.3f worst %.3f %s\n", what, seconds.size(), at(0.5),
                at(0.9), at(0.99), at(0.999), at(1), name);
  }
};

}  // namespace

int main(int argc, char** argv) {
  int32_t ids = 0;
  if (argc < 3 || std::from_chars(argv[1], argv[1] + std::string_view(argv[1]).size(), ids).ec != std::errc() ||
      ids < 300) {
    std::cerr << "usage: grammar_bench IDS TEXT...|--ranks FILE < SCHEMAS\n";
    return 1;
  }
  const size_t tokens = static_cast<size_t>(ids) - 1;  // and one that ends a text
  const bool ranks = std::string_view(argv[2]) == "--ranks" && argc == 4;
  const PieceTokenizer tokenizer(
      MakeTable(tokens, ranks ? Ranks(argv[3], tokens) : BytesAndPieces({argv + 2, argv + argc}, tokens)));
  const int32_t end = ids - 1;
  GrammarCompiler compiler(tokenizer, ids, {end});
  (void)compiler.Compile({.kind = GrammarSpec::Kind::kRegex, .text = "a"});  // the vocabulary's tries, made once
  Figures compile, refuse, first, later;
  std::mt19937_64 random(1);
  std::vector<uint32_t> mask((static_cast<size_t>(ids) + 31) / 32);
  for (std::string line; std::getline(std::cin, line);) {
    const double begin = ThreadSeconds();
    const auto grammar = compiler.Compile({.kind = GrammarSpec::Kind::kJsonSchema, .text = line});
    (grammar.ok() ? compile : refuse).Add(begin);
    for (int text = 0; grammar.ok() && text < kTexts; ++text) {
      GrammarMatcher matcher(*grammar);
      for (int t = 0; t < kMostTokens && !matcher.finished(); ++t) {
        const double before = ThreadSeconds();
        if (!matcher.Mask(mask).ok()) break;
        (text < kTexts / 2 ? first : later).Add(before);
        const int32_t id = Drawn(mask, random);
        if (id < 0 || !matcher.Accept(id)) break;
      }
    }
  }
  std::printf("%d ids\n", ids);
  compile.Print("schemas made", 1e-3, "ms");
  refuse.Print("schemas refused", 1e-3, "ms");
  first.Print("masks of a grammar's first texts", 1e-6, "us");
  later.Print("masks of its later texts", 1e-6, "us");
  return 0;
}
