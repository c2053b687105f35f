#include "text/grammar/free_text.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "text/utf8.h"

namespace batucada::grammar {
namespace {

constexpr size_t kLongestToken = 64;  // bytes of a special token's name

struct SpecialToken {
  int32_t id = 0;
  size_t bytes = 0;
};

// The longest special token whose name `text` begins with.
std::optional<SpecialToken> SpecialAt(std::string_view text, const Tokenizer& tokenizer) {
  for (size_t size = std::min(text.size(), kLongestToken); size > 1; --size) {
    const std::optional<int32_t> id = tokenizer.TokenToId(text.substr(0, size));
    if (id && tokenizer.IsSpecial(*id)) return SpecialToken{.id = *id, .bytes = size};
  }
  return std::nullopt;
}

// The words' trie, with the links of Aho and Corasick. State 0 is its root.
class WordAutomaton {
 public:
  struct State {
    std::map<char32_t, int32_t> next;
    int32_t fail = 0;
    int32_t word = -1;  // that ends here, itself or as the end of a longer text
  };

  void Add(std::string_view text, int32_t word) {
    int32_t at = 0;
    for (size_t i = 0; i < text.size();) {
      const char32_t c = NextCodepoint(text, &i);
      const auto [found, fresh] = states_[static_cast<size_t>(at)].next.try_emplace(c, 0);
      if (fresh) {
        found->second = static_cast<int32_t>(states_.size());
        at = found->second;
        states_.emplace_back();
      } else {
        at = found->second;
      }
      letters_.push_back(c);
    }
    if (states_[static_cast<size_t>(at)].word < 0) states_[static_cast<size_t>(at)].word = word;
  }

  void Link() {
    std::sort(letters_.begin(), letters_.end());
    letters_.erase(std::unique(letters_.begin(), letters_.end()), letters_.end());
    std::deque<int32_t> open;
    for (const auto& [c, child] : states_[0].next) open.push_back(child);
    while (!open.empty()) {
      const int32_t at = open.front();
      open.pop_front();
      for (const auto& [c, child] : states_[static_cast<size_t>(at)].next) {
        State& state = states_[static_cast<size_t>(child)];
        state.fail = Step(states_[static_cast<size_t>(at)].fail, c);
        if (state.word < 0) state.word = states_[static_cast<size_t>(state.fail)].word;
        open.push_back(child);
      }
    }
  }

  int32_t Step(int32_t at, char32_t c) const {
    while (true) {
      const State& state = states_[static_cast<size_t>(at)];
      const auto found = state.next.find(c);
      if (found != state.next.end()) return found->second;
      if (at == 0) return 0;
      at = state.fail;
    }
  }

  const std::vector<State>& states() const { return states_; }
  const std::vector<char32_t>& letters() const { return letters_; }  // of all words, each once

 private:
  std::vector<State> states_ = std::vector<State>(1);
  std::vector<char32_t> letters_;
};

}  // namespace

ExprId Literal(std::string_view text, const Tokenizer& tokenizer, Expressions& expressions) {
  std::vector<ExprId> parts;
  size_t begin = 0, at = 0;
  while (at < text.size()) {
    const std::optional<SpecialToken> special = SpecialAt(text.substr(at), tokenizer);
    if (!special) {
      ++at;
      continue;
    }
    if (at > begin) parts.push_back(expressions.Bytes(text.substr(begin, at - begin)));
    parts.push_back(expressions.Token(special->id));
    begin = at += special->bytes;
  }
  if (at > begin) parts.push_back(expressions.Bytes(text.substr(begin, at - begin)));
  return expressions.Sequence(std::move(parts));
}

ExprId FreeText(const std::vector<Word>& words, TextEnd end, const Tokenizer& tokenizer, Expressions& expressions) {
  WordAutomaton automaton;
  std::vector<ExprId> anywhere;  // what may come in every state: special tokens that begin a word
  for (size_t i = 0; i < words.size(); ++i) {
    const Word& word = words[i];
    const std::optional<SpecialToken> special = SpecialAt(word.text, tokenizer);
    if (!special) {
      automaton.Add(word.text, static_cast<int32_t>(i));
    } else if (word.behind != kNoText) {
      const ExprId rest = Literal(std::string_view{word.text}.substr(special->bytes), tokenizer, expressions);
      anywhere.push_back(expressions.Sequence({expressions.Token(special->id), rest, word.behind}));
    }
  }
  automaton.Link();

  std::vector<CharRange> known;
  for (const char32_t letter : automaton.letters()) known.push_back({letter, letter});
  const CharSet others = CharSet(std::move(known)).Complement();
  const std::vector<WordAutomaton::State>& states = automaton.states();
  std::vector<RuleId> rules;
  for (size_t i = 0; i < states.size(); ++i) rules.push_back(expressions.NewRule());
  for (size_t i = 0; i < states.size(); ++i) {
    if (states[i].word >= 0) continue;  // no text stays here: see below
    std::map<int32_t, std::vector<CharRange>> leads;
    leads[0] = others.ranges();
    for (const char32_t letter : automaton.letters()) {
      leads[automaton.Step(static_cast<int32_t>(i), letter)].push_back({letter, letter});
    }
    std::vector<ExprId> ways = anywhere;
    if (end == TextEnd::kAnywhere) ways.push_back(kEmptyText);
    for (auto& [to, chars] : leads) {
      const int32_t word = states[static_cast<size_t>(to)].word;
      const ExprId next =
          word >= 0 ? words[static_cast<size_t>(word)].behind : expressions.Reference(rules[static_cast<size_t>(to)]);
      ways.push_back(expressions.Sequence({expressions.Chars(CharSet(std::move(chars))), next}));
    }
    expressions.Define(rules[i], expressions.Choice(std::move(ways)));
  }
  return expressions.Reference(rules[0]);
}

}  // namespace batucada::grammar
