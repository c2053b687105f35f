// Any text, up to the first of some words in it: what may follow each word is an expression of its own.
//
// A. V. Aho, M. J. Corasick: Efficient String Matching: An Aid to Bibliographic Search (1975). Its automaton becomes
// rules, one a state, each of which reads a character and calls the next.
#pragma once

#include <string>
#include <vector>

#include "text/grammar/expression.h"
#include "text/tokenizer.h"

namespace batucada::grammar {

struct Word {
  std::string text;         // valid UTF-8, not empty
  ExprId behind = kNoText;  // what follows it; kNoText: the word does not come
};

enum class TextEnd : uint8_t { kAnywhere, kBehindAWord };  // where the free text may end

// Special tokens that begin a word are meant as tokens; no others come. REQUIRES: the words hold kMostWordBytes at
// most, all together.
ExprId FreeText(const std::vector<Word>& words, TextEnd end, const Tokenizer& tokenizer, Expressions& expressions);
inline constexpr size_t kMostWordBytes = 4096;

// The text as it is, its special tokens as tokens.
ExprId Literal(std::string_view text, const Tokenizer& tokenizer, Expressions& expressions);

}  // namespace batucada::grammar
