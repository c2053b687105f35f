// Draws texts from grammars, every allowed token as likely as any other: for grammar_conformance.py, which asks another
// program whether they are valid. Reads a line of JSON for each grammar: {"kind": "json_schema" | "regex" | "gbnf" |
// "structural_tag", "text": …, "draws": n, "seed": n, "judge": […]}; writes a line: {"error": …} or {"texts": […],
// "unfinished": n, "allowed": […]}, the last of which says of each text to judge whether the grammar allows it.
#include <cstdint>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "text/byte_tokenizer.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace {

namespace bj = boost::json;
using batucada::GrammarMatcher;
using batucada::GrammarSpec;

constexpr int kMostTokens = 600;

class Drawer {
 public:
  Drawer(const batucada::Tokenizer& tokenizer, int32_t vocab, int32_t end)
      : tokenizer_(tokenizer), vocab_(vocab), end_(end), compiler_(tokenizer, vocab, {end}) {}

  bj::object Draw(const bj::object& line) {
    const std::string kind(line.at("kind").as_string());
    GrammarSpec spec{.kind = kind == "regex"            ? GrammarSpec::Kind::kRegex
                             : kind == "gbnf"           ? GrammarSpec::Kind::kGbnf
                             : kind == "structural_tag" ? GrammarSpec::Kind::kStructuralTag
                                                        : GrammarSpec::Kind::kJsonSchema,
                     .text = std::string(line.at("text").as_string())};
    const auto grammar = compiler_.Compile(spec);
    if (!grammar.ok()) return {{"error", std::string(grammar.status().message())}};
    std::mt19937_64 random(line.at("seed").to_number<uint64_t>());
    bj::array texts;
    int64_t unfinished = 0;
    std::vector<uint32_t> mask((static_cast<size_t>(vocab_) + 31) / 32);
    for (int64_t i = 0; i < line.at("draws").to_number<int64_t>(); ++i) {
      GrammarMatcher matcher(*grammar);
      std::string text;
      for (int t = 0; t < kMostTokens && !matcher.finished(); ++t) {
        if (!matcher.Mask(mask).ok()) return {{"error", "a mask failed"}, {"text", text}};
        std::vector<int32_t> allowed;
        for (int32_t id = 0; id < vocab_; ++id) {
          if (mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1U) allowed.push_back(id);
        }
        if (allowed.empty()) return {{"error", "a dead end"}, {"text", text}};
        // Where the text may end it does every third time, so that texts come to an end.
        int32_t id = allowed[random() % allowed.size()];
        if (allowed.back() == end_ && random() % 3 == 0) id = end_;
        // Prefer what closes strings, lists and objects once a text is long.
        if (t > kMostTokens / 4) {
          for (const int32_t one : allowed) {
            const std::string_view bytes = tokenizer_.TokenBytes(one);
            if (bytes == "\"" || bytes == "}" || bytes == "]") id = one;
          }
        }
        if (!matcher.Accept(id)) return {{"error", "a token that was allowed was not taken"}, {"text", text}};
        if (id != end_) text += tokenizer_.TokenBytes(id);
      }
      if (matcher.finished()) {
        texts.emplace_back(text);
      } else {
        ++unfinished;
      }
    }
    bj::array allowed;
    if (const bj::value* judged = line.if_contains("judge")) {
      for (const bj::value& text : judged->as_array()) allowed.emplace_back(Allows(*grammar, text.as_string()));
    }
    return {{"texts", std::move(texts)}, {"unfinished", unfinished}, {"allowed", std::move(allowed)}};
  }

 private:
  // REQUIRES: tokens are bytes.
  bool Allows(const std::shared_ptr<const batucada::Grammar>& grammar, std::string_view text) const {
    GrammarMatcher matcher(grammar);
    for (const char c : text) {
      if (!matcher.Accept(static_cast<uint8_t>(c))) return false;
    }
    return matcher.Accept(end_);
  }

  const batucada::Tokenizer& tokenizer_;
  const int32_t vocab_, end_;
  batucada::GrammarCompiler compiler_;
};

}  // namespace

int main(int argc, char** argv) {
  std::unique_ptr<batucada::Tokenizer> tokenizer;
  if (argc > 1) {
    auto loaded = batucada::Tokenizer::Load(argv[1]);
    if (!loaded.ok()) {
      std::cerr << loaded.status() << "\n";
      return 1;
    }
    tokenizer = *std::move(loaded);
  } else {
    tokenizer = batucada::MakeByteTokenizer(300);
  }
  const int32_t vocab = tokenizer->vocab_size() + 1;
  Drawer drawer(*tokenizer, vocab, vocab - 1);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << bj::serialize(drawer.Draw(bj::parse(line).as_object())) << "\n" << std::flush;
  }
  return 0;
}
