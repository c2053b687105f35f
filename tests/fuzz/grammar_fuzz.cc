// Schemas, regular expressions, grammars and structural tags from strangers: made into a grammar or refused with a
// reason, in bounded time; and what a grammar allows it takes.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "text/byte_tokenizer.h"
#include "text/grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace batucada;
  constexpr int32_t kVocab = 300, kEnd = 299;
  static const std::unique_ptr<Tokenizer> tokenizer = MakeByteTokenizer(kEnd);
  if (size < 2) return 0;
  constexpr GrammarSpec::Kind kKinds[] = {GrammarSpec::Kind::kJsonSchema, GrammarSpec::Kind::kRegex,
                                          GrammarSpec::Kind::kGbnf, GrammarSpec::Kind::kStructuralTag};
  GrammarCompiler compiler(*tokenizer, kVocab, {kEnd});
  const auto grammar = compiler.Compile(
      {.kind = kKinds[data[0] % 4], .text = std::string(reinterpret_cast<const char*>(data) + 2, size - 2)});
  if (!grammar.ok()) {
    if (grammar.status().message().empty()) std::abort();
    return 0;
  }
  GrammarMatcher matcher(*grammar);
  std::vector<uint32_t> mask((kVocab + 31) / 32);
  uint32_t random = data[1];
  for (int step = 0; step < 64 && !matcher.finished(); ++step) {
    if (!matcher.Mask(mask).ok()) return 0;
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < kVocab; ++id) {
      if ((mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1U) != 0) allowed.push_back(id);
    }
    if (allowed.empty()) std::abort();  // a text that can neither go on nor end
    random = random * 1664525 + 1013904223;
    if (!matcher.Accept(allowed[(random >> 8) % allowed.size()])) std::abort();
  }
  return 0;
}
