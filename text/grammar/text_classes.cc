#include "text/grammar/text_classes.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/status.h"
#include "base/strings.h"
#include "text/utf8.h"

namespace batucada::grammar {
namespace {

constexpr size_t kMostNodes = 40'000;       // of the automaton with choices
constexpr size_t kMostClassStates = 2'000;  // of the one without

}  // namespace

TextPattern TextPattern::OfLength(int64_t least, int64_t most) {
  if (most >= 0 && least > most) return {.regex = "[]", .match = RegexMatch::kWhole, .texts = {}};
  // A pattern may not count further, and need not: so many characters are more states than there may be.
  constexpr int64_t kMostCounted = 10'000;
  static_assert(kMostCounted > int64_t{kMostClassStates});
  least = std::min(least, kMostCounted);
  most = std::min(most, kMostCounted);
  return {.regex = Concat("[\\s\\S]{", least, ",", most < 0 ? "" : Concat(most), "}"),
          .match = RegexMatch::kWhole,
          .texts = {}};
}

// First an automaton with choices (Thompson's), then one without.
class TextClassesBuilder {
 public:
  explicit TextClassesBuilder(WorkBudget& budget) : budget_(budget), nodes_(1), starts_{0} {
    nodes_[0].edges.emplace_back(CharSet::All(), 0);  // every text leads somewhere, if to no pattern
  }

  absl::Status Add(const TextPattern& pattern, size_t index) {
    for (const RegexReading reading : {RegexReading::kNarrow, RegexReading::kWide}) {
      const int32_t begin = NewNode();
      starts_.push_back(begin);
      int32_t end = begin;
      if (!pattern.texts.empty()) {
        end = NewNode();
        for (const std::string& text : pattern.texts) Join(Spell(text, begin), end);
      } else {
        Expressions raw;
        BATUCADA_ASSIGN_OR_RETURN(
            const RegexLanguage language,
            ReadRegex(
                pattern.regex, pattern.match, raw, [&](const CharSet& chars) { return raw.Chars(chars); }, reading));
        if (raw.overflowed()) return TooLarge();
        end = Build(raw, language.expression, begin);
      }
      if (failed_) return TooLarge();
      uint32_t& accepts = reading == RegexReading::kNarrow ? nodes_[static_cast<size_t>(end)].matched
                                                           : nodes_[static_cast<size_t>(end)].perhaps;
      accepts |= uint32_t{1} << index;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<TextClasses> Finish() {
    TextClasses made;
    std::map<std::vector<int32_t>, int32_t> known;
    std::vector<std::vector<int32_t>> sets;
    const auto state_of = [&](std::vector<int32_t> nodes) {
      const auto [found, fresh] = known.try_emplace(Closed(std::move(nodes)), static_cast<int32_t>(sets.size()));
      if (fresh) {
        sets.push_back(found->first);
        TextClasses::State& state = made.states_.emplace_back();
        for (const int32_t node : found->first) {
          state.matched |= nodes_[static_cast<size_t>(node)].matched;
          state.perhaps |= nodes_[static_cast<size_t>(node)].perhaps;
        }
        state.perhaps |= state.matched;
      }
      return found->second;
    };
    state_of(starts_);
    for (size_t at = 0; at < sets.size(); ++at) {
      if (sets.size() > kMostClassStates || failed_) return TooLarge();
      std::vector<TextClasses::Edge> edges = Edges(sets[at], state_of);
      made.states_[at].edges = std::move(edges);
    }
    if (failed_) return TooLarge();
    return made;
  }

 private:
  struct Node {
    std::vector<std::pair<CharSet, int32_t>> edges;
    std::vector<int32_t> free;  // reached without a character
    uint32_t matched = 0, perhaps = 0;
  };

  static absl::Status TooLarge() {
    return absl::InvalidArgumentError("is too complex to be held to beside the others");
  }

  int32_t NewNode() {
    if (nodes_.size() >= kMostNodes || !budget_.Spend()) failed_ = true;
    if (!failed_) nodes_.emplace_back();
    return static_cast<int32_t>(nodes_.size()) - 1;
  }
  void Join(int32_t from, int32_t to) { nodes_[static_cast<size_t>(from)].free.push_back(to); }
  int32_t Read(const CharSet& chars, int32_t from) {
    const int32_t to = NewNode();
    if (!failed_) nodes_[static_cast<size_t>(from)].edges.emplace_back(chars, to);
    return to;
  }
  int32_t Spell(std::string_view text, int32_t from) {
    for (size_t at = 0; at < text.size() && !failed_;) {
      const char32_t c = NextCodepoint(text, &at);
      from = Read(CharSet({{c, c}}), from);
    }
    return from;
  }

  // Where the expression leads to from a node.
  int32_t Build(const Expressions& e, ExprId id, int32_t from) {
    if (failed_) return from;
    const Expression& one = e[id];
    switch (one.kind) {
      case Expression::Kind::kEmpty: return from;
      case Expression::Kind::kBytes: return Spell(one.bytes, from);
      case Expression::Kind::kChars: return Read(one.chars, from);
      case Expression::Kind::kSequence:
        for (const ExprId child : one.children) from = Build(e, child, from);
        return from;
      case Expression::Kind::kChoice: {
        const int32_t to = NewNode();
        for (const ExprId child : one.children) {
          const int32_t begin = NewNode();
          if (failed_) return from;
          Join(from, begin);
          Join(Build(e, child, begin), to);
        }
        return to;
      }
      case Expression::Kind::kRepeat: {
        const ExprId body = one.children.front();
        for (int32_t i = 0; i < one.min && !failed_; ++i) from = Build(e, body, from);
        const int32_t to = NewNode();
        if (failed_) return from;
        Join(from, to);
        if (one.max == kUnbounded) {
          const int32_t back = Build(e, body, to);
          if (!failed_) Join(back, to);
          return to;
        }
        for (int32_t i = one.min; i < one.max && !failed_; ++i) {
          from = Build(e, body, from);
          if (!failed_) Join(from, to);
        }
        return to;
      }
      case Expression::Kind::kNever: return NewNode();
      case Expression::Kind::kToken:
      case Expression::Kind::kRule: failed_ = true; return from;
    }
    return from;
  }

  std::vector<int32_t> Closed(std::vector<int32_t> nodes) {
    std::set<int32_t> all(nodes.begin(), nodes.end());
    while (!nodes.empty()) {
      const int32_t node = nodes.back();
      nodes.pop_back();
      if (!budget_.Spend()) failed_ = true;
      for (const int32_t next : nodes_[static_cast<size_t>(node)].free) {
        if (all.insert(next).second) nodes.push_back(next);
      }
    }
    // Those that only lead on make no difference.
    std::vector<int32_t> kept;
    for (const int32_t node : all) {
      const Node& n = nodes_[static_cast<size_t>(node)];
      if (!n.edges.empty() || n.matched != 0 || n.perhaps != 0) kept.push_back(node);
    }
    return kept;
  }

  template <typename StateOf>
  std::vector<TextClasses::Edge> Edges(const std::vector<int32_t>& set, const StateOf& state_of) {
    // Where something changes on the way through all characters: which nodes are reached from there on.
    std::map<char32_t, std::vector<std::pair<int32_t, bool>>> changes;  // (node, begins)
    for (const int32_t node : set) {
      for (const auto& [chars, to] : nodes_[static_cast<size_t>(node)].edges) {
        for (const CharRange range : chars.ranges()) {
          if (!budget_.Spend()) failed_ = true;
          changes[range.first].emplace_back(to, true);
          changes[range.last + 1].emplace_back(to, false);
        }
      }
    }
    std::map<int32_t, int> open;  // nodes, and how often
    std::map<int32_t, std::vector<CharRange>> ranges;
    char32_t begin = 0;
    for (const auto& [at, all] : changes) {
      if (failed_) return {};
      if (!open.empty()) {
        if (!budget_.Spend(static_cast<int64_t>(open.size()))) failed_ = true;
        std::vector<int32_t> nodes;
        nodes.reserve(open.size());
        for (const auto& member : open) nodes.push_back(member.first);
        ranges[state_of(std::move(nodes))].push_back({begin, at - 1});
      }
      begin = at;
      for (const auto& [node, begins] : all) {
        int& count = open[node];
        count += begins ? 1 : -1;
        if (count == 0) open.erase(node);
      }
    }
    std::vector<TextClasses::Edge> edges;
    edges.reserve(ranges.size());
    for (auto& [to, of] : ranges) edges.push_back({CharSet(std::move(of)), to});
    return edges;
  }

  WorkBudget& budget_;
  bool failed_ = false;
  std::vector<Node> nodes_;
  std::vector<int32_t> starts_;
};

absl::StatusOr<TextClasses> TextClasses::Make(std::span<const TextPattern> patterns, WorkBudget& budget,
                                              Refusal* refusal) {
  TextClassesBuilder builder(budget);
  const auto refused = [&](size_t at, const absl::Status& status) {
    *refusal = {at, std::string{status.message()}};
    return status;
  };
  if (patterns.size() > kMostPatterns) {
    return refused(kMostPatterns,
                   absl::InvalidArgumentError(Concat("stands beside more than ", kMostPatterns, " others")));
  }
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (const absl::Status status = builder.Add(patterns[i], i); !status.ok()) return refused(i, status);
  }
  absl::StatusOr<TextClasses> made = builder.Finish();
  if (!made.ok()) return refused(patterns.size() - 1, made.status());
  return made;
}

ExprId TextClasses::Texts(uint32_t in, uint32_t out, JsonParts& json, Expressions& e) const {
  const auto wanted = [&](const State& state) { return (state.matched & in) == in && (state.perhaps & out) == 0; };
  // From which a wanted one can be reached: backwards.
  std::vector<std::vector<int32_t>> before(states_.size());
  std::vector<bool> lives(states_.size());
  std::vector<int32_t> open;
  for (size_t i = 0; i < states_.size(); ++i) {
    for (const Edge& edge : states_[i].edges) before[static_cast<size_t>(edge.to)].push_back(static_cast<int32_t>(i));
    if (!wanted(states_[i])) continue;
    lives[i] = true;
    open.push_back(static_cast<int32_t>(i));
  }
  while (!open.empty()) {
    const auto at = static_cast<size_t>(open.back());
    open.pop_back();
    for (const int32_t one : before[at]) {
      if (lives[static_cast<size_t>(one)]) continue;
      lives[static_cast<size_t>(one)] = true;
      open.push_back(one);
    }
  }
  if (!lives[0]) return kNoText;
  std::vector<RuleId> rules(states_.size(), -1);
  for (size_t i = 0; i < states_.size(); ++i) {
    if (lives[i]) rules[i] = e.NewRule();
  }
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!lives[i]) continue;
    std::vector<ExprId> ways;
    ExprId stays = kEmptyText;  // characters that lead to itself
    for (const Edge& edge : states_[i].edges) {
      const auto to = static_cast<size_t>(edge.to);
      if (!lives[to]) continue;
      if (to == i) {
        stays = e.Repeat(json.Char(edge.chars), 0, kUnbounded);
      } else {
        ways.push_back(e.Sequence({json.Char(edge.chars), e.Reference(rules[to])}));
      }
    }
    if (wanted(states_[i])) ways.push_back(kEmptyText);
    e.Define(rules[i], e.Sequence({stays, e.Choice(std::move(ways))}));
  }
  return e.Reference(rules[0]);
}

std::vector<uint32_t> TextClasses::Classes() const {
  std::set<uint32_t> classes;
  for (const State& state : states_) {
    if (state.matched == state.perhaps) classes.insert(state.matched);
  }
  return {classes.begin(), classes.end()};
}

bool TextClasses::Find(std::string_view text, uint32_t* matched) const {
  size_t state = 0;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = NextCodepoint(text, &at);
    const auto& edges = states_[state].edges;
    const auto edge = std::find_if(edges.begin(), edges.end(), [c](const Edge& one) { return one.chars.Contains(c); });
    if (edge == edges.end()) return false;
    state = static_cast<size_t>(edge->to);
  }
  *matched = states_[state].matched;
  return states_[state].matched == states_[state].perhaps;
}

}  // namespace batucada::grammar
