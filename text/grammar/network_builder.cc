#include "text/grammar/network_builder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/grammar/utf8_ranges.h"
#include "text/grammar/vocabulary.h"

namespace batucada::grammar {
namespace {

using Kind = Expression::Kind;

// Repeats of so few that copies of the body are cheaper than counting.
constexpr int32_t kMostCopies = 4;

}  // namespace

absl::StatusOr<Network> NetworkBuilder::Build(ExprId root) {
  const auto too_large = [] {
    return absl::InvalidArgumentError("is too large or too deeply nested: make it smaller, with fewer alternatives");
  };
  if (expressions_.overflowed()) return too_large();
  FindProductive();
  FindNullable();
  if (budget_.spent() || too_deep_) return too_large();
  if (!Productive(root)) return absl::InvalidArgumentError("allows no text at all: nothing finite satisfies it");
  rule_start_.assign(expressions_.rules(), -1);
  network_.start_ = Lower(root, AddState({}), 0);
  while (!to_lower_.empty() && !budget_.spent()) {
    const RuleId rule = to_lower_.back();
    to_lower_.pop_back();
    const StateId body = Lower(expressions_.body(rule), AddState({}), 0);
    network_.targets_[network_[rule_start_[static_cast<size_t>(rule)]].begin] = body;
  }
  if (budget_.spent() || too_deep_ || network_.size() > kMaxStates) return too_large();
  if (empty_body_) {
    return absl::InvalidArgumentError("repeats something that may be empty many times: give the repeated part a text");
  }
  BATUCADA_RETURN_IF_ERROR(CheckLeftRecursion());
  network_.ClassifyBytes();
  return std::move(network_);
}

bool NetworkBuilder::Productive(ExprId id, int depth) {
  if (depth > kMaxDepth) too_deep_ = true;
  if (!budget_.Spend() || too_deep_) return false;
  const Expression& e = expressions_[id];
  const auto productive = [&](ExprId child) { return Productive(child, depth + 1); };
  switch (e.kind) {
    case Kind::kNever: return false;
    case Kind::kSequence: return std::all_of(e.children.begin(), e.children.end(), productive);
    case Kind::kChoice: return std::any_of(e.children.begin(), e.children.end(), productive);
    case Kind::kRepeat: return e.min == 0 || productive(e.children[0]);
    case Kind::kRule: return productive_[static_cast<size_t>(e.id)] != 0;
    default: return true;
  }
}

bool NetworkBuilder::Nullable(ExprId id, int depth) {
  if (depth > kMaxDepth) too_deep_ = true;
  if (!budget_.Spend() || too_deep_) return false;
  const Expression& e = expressions_[id];
  const auto nullable = [&](ExprId child) { return Nullable(child, depth + 1); };
  switch (e.kind) {
    case Kind::kEmpty: return true;
    case Kind::kSequence: return std::all_of(e.children.begin(), e.children.end(), nullable);
    case Kind::kChoice: return std::any_of(e.children.begin(), e.children.end(), nullable);
    case Kind::kRepeat: return e.min == 0 || nullable(e.children[0]);
    case Kind::kRule: return nullable_[static_cast<size_t>(e.id)] != 0;
    default: return false;
  }
}

// Both by rounds: rules mostly refer to later ones, so from the last to the first.
void NetworkBuilder::FindProductive() {
  productive_.assign(expressions_.rules(), 0);
  for (bool changed = true; changed && !budget_.spent();) {
    changed = false;
    for (size_t rule = productive_.size(); rule-- > 0;) {
      if (productive_[rule] != 0 || !Productive(expressions_.body(static_cast<RuleId>(rule)))) continue;
      productive_[rule] = 1;
      changed = true;
    }
  }
}

void NetworkBuilder::FindNullable() {
  nullable_.assign(expressions_.rules(), 0);
  for (bool changed = true; changed && !budget_.spent();) {
    changed = false;
    for (size_t rule = nullable_.size(); rule-- > 0;) {
      if (nullable_[rule] != 0 || !Nullable(expressions_.body(static_cast<RuleId>(rule)))) continue;
      nullable_[rule] = 1;
      changed = true;
    }
  }
}

StateId NetworkBuilder::AddState(State state) {
  if (network_.states_.size() > kMaxStates) return 0;
  budget_.Spend();
  network_.states_.push_back(state);
  return static_cast<StateId>(network_.states_.size()) - 1;
}

StateId NetworkBuilder::AddBytes(std::vector<ByteEdge> edges) {
  const auto begin = static_cast<uint32_t>(network_.edges_.size());
  network_.edges_.insert(network_.edges_.end(), edges.begin(), edges.end());
  budget_.Spend(static_cast<int64_t>(edges.size()));
  return AddState({.kind = State::Kind::kBytes, .begin = begin, .end = static_cast<uint32_t>(network_.edges_.size())});
}

StateId NetworkBuilder::AddSplit(std::vector<StateId> targets) {
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  if (targets.size() == 1) return targets.front();
  const auto begin = static_cast<uint32_t>(network_.targets_.size());
  network_.targets_.insert(network_.targets_.end(), targets.begin(), targets.end());
  budget_.Spend(static_cast<int64_t>(targets.size()));
  return AddState(
      {.kind = State::Kind::kSplit, .begin = begin, .end = static_cast<uint32_t>(network_.targets_.size())});
}

StateId NetworkBuilder::StartOf(RuleId rule) {
  StateId& start = rule_start_[static_cast<size_t>(rule)];
  if (start < 0) {
    const auto begin = static_cast<uint32_t>(network_.targets_.size());
    network_.targets_.push_back(0);  // its body, once that is lowered
    start = AddState({.kind = State::Kind::kSplit, .begin = begin, .end = begin + 1});
    to_lower_.push_back(rule);
  }
  return start;
}

StateId NetworkBuilder::Lower(ExprId id, StateId next, int depth) {
  if (depth > kMaxDepth) too_deep_ = true;
  if (!budget_.Spend() || too_deep_ || network_.size() > kMaxStates) return next;
  const Expression& e = expressions_[id];
  switch (e.kind) {
    case Kind::kEmpty:
    case Kind::kNever: return next;  // kNever is never reached: see Productive
    case Kind::kBytes:
    case Kind::kToken: {
      const std::string spelled = e.kind == Kind::kToken ? SpellToken(e.id) : e.bytes;
      for (size_t i = spelled.size(); i-- > 0;) {
        const auto byte = static_cast<uint8_t>(spelled[i]);
        next = AddBytes({{byte, byte, next}});
      }
      return next;
    }
    case Kind::kChars: return LowerChars(e.chars, next);
    case Kind::kSequence:
      for (size_t i = e.children.size(); i-- > 0;) next = Lower(e.children[i], next, depth + 1);
      return next;
    case Kind::kChoice: return LowerChoice(e, next, depth);
    case Kind::kRepeat: return LowerRepeat(e, next, depth);
    case Kind::kRule:
      return AddState({.kind = State::Kind::kCall,
                       .first = StartOf(e.id),
                       .second = next,
                       .leaves_no_frame = network_[next].kind == State::Kind::kFinal});
  }
  return next;
}

StateId NetworkBuilder::LowerChoice(const Expression& choice, StateId next, int depth) {
  std::vector<StateId> others;
  std::vector<Spelling> spellings;  // what begins with bytes of its own is read as one tree
  for (const ExprId child : choice.children) {
    if (!Productive(child)) continue;
    const Expression& e = expressions_[child];
    if (e.kind == Kind::kBytes) {
      spellings.emplace_back(e.bytes, next);
    } else if (e.kind == Kind::kSequence && expressions_[e.children[0]].kind == Kind::kBytes) {
      StateId rest = next;
      for (size_t i = e.children.size(); i-- > 1;) rest = Lower(e.children[i], rest, depth + 1);
      spellings.emplace_back(expressions_[e.children[0]].bytes, rest);
    } else {
      others.push_back(Lower(child, next, depth + 1));
    }
  }
  if (spellings.empty()) return AddSplit(std::move(others));
  std::sort(spellings.begin(), spellings.end());
  return LowerSpellings(spellings, 0, std::move(others));
}

// REQUIRES: sorted; all agree in their first `at` bytes.
StateId NetworkBuilder::LowerSpellings(std::vector<Spelling>& spellings, size_t at, std::vector<StateId> others) {
  std::vector<ByteEdge> edges;
  size_t i = 0;
  for (; i < spellings.size() && spellings[i].first.size() == at; ++i) others.push_back(spellings[i].second);
  while (i < spellings.size() && budget_.Spend()) {
    const char byte = spellings[i].first[at];
    size_t end = i;
    while (end < spellings.size() && spellings[end].first[at] == byte) ++end;
    StateId to = 0;
    if (end - i == 1) {  // the rest of one spelling: a chain
      const auto& [bytes, rest] = spellings[i];
      to = rest;
      for (size_t b = bytes.size(); b-- > at + 1;) {
        const auto value = static_cast<uint8_t>(bytes[b]);
        to = AddBytes({{value, value, to}});
      }
    } else if (at > static_cast<size_t>(kMaxDepth)) {
      too_deep_ = true;
    } else {
      std::vector<Spelling> group(spellings.begin() + static_cast<std::ptrdiff_t>(i),
                                  spellings.begin() + static_cast<std::ptrdiff_t>(end));
      to = LowerSpellings(group, at + 1, {});
    }
    edges.push_back({static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), to});
    i = end;
  }
  if (!edges.empty()) others.push_back(AddBytes(std::move(edges)));
  return AddSplit(std::move(others));
}

StateId NetworkBuilder::LowerChars(const CharSet& chars, StateId next) {
  std::vector<Utf8Sequence> sequences;
  for (const CharRange range : chars.ranges()) AppendUtf8Sequences(range, &sequences);
  std::vector<ByteEdge> edges;
  for (const Utf8Sequence& sequence : sequences) {
    StateId to = next;
    for (int i = sequence.length - 1; i > 0; --i) {
      const ByteRange range = sequence.bytes[static_cast<size_t>(i)];
      const auto [found, fresh] = one_edge_.try_emplace({range.first, range.last, to}, 0);
      if (fresh) {
        const StateId state = AddBytes({{range.first, range.last, to}});
        one_edge_[{range.first, range.last, to}] = state;
        to = state;
      } else {
        to = found->second;
      }
    }
    edges.push_back({sequence.bytes[0].first, sequence.bytes[0].last, to});
  }
  return AddBytes(std::move(edges));
}

StateId NetworkBuilder::LowerCount(ExprId body, int32_t min, int32_t max, StateId next, int depth) {
  if (Nullable(body)) empty_body_ = true;
  const StateId start = Lower(body, AddState({}), depth + 1);
  return AddState({.kind = State::Kind::kCount, .first = start, .second = next, .min = min, .max = max});
}

StateId NetworkBuilder::LowerRepeat(const Expression& repeat, StateId next, int depth) {
  const ExprId body = repeat.children[0];
  if (!Productive(body)) return next;
  if (repeat.max == kUnbounded && repeat.min <= kMostCopies) {
    const auto target = static_cast<uint32_t>(network_.targets_.size());
    network_.targets_.insert(network_.targets_.end(), {next, next});
    const StateId loop = AddState({.kind = State::Kind::kSplit, .begin = target, .end = target + 2});
    const StateId entry = Lower(body, loop, depth + 1);
    network_.targets_[target + 1] = entry;
    StateId first = loop;
    for (int32_t i = 0; i < repeat.min; ++i) first = Lower(body, first, depth + 1);
    return first;
  }
  if (repeat.max == kUnbounded || repeat.max > kMostCopies) {
    return LowerCount(body, repeat.min, repeat.max, next, depth);
  }
  // x{1,3} = x (x (x)?)?
  StateId first = next;
  for (int32_t i = repeat.max; i > 0; --i) {
    first = Lower(body, first, depth + 1);
    if (i > repeat.min) first = AddSplit({first, next});
  }
  return first;
}

std::string NetworkBuilder::NameOf(RuleId rule) const {
  const auto i = static_cast<size_t>(rule);
  return i < names_.size() ? absl::StrCat("rule ", names_[i]) : "a part of it";
}

std::vector<StateId> NetworkBuilder::WithoutReading(StateId id, const std::vector<RuleId>& rule_at) const {
  const State& s = network_[id];
  switch (s.kind) {
    case State::Kind::kSplit: return {network_.targets_.begin() + s.begin, network_.targets_.begin() + s.end};
    case State::Kind::kCall: {
      const RuleId rule = rule_at[static_cast<size_t>(s.first)];
      if (rule >= 0 && nullable_[static_cast<size_t>(rule)] != 0) return {s.first, s.second};
      return {s.first};
    }
    case State::Kind::kCount: return s.min == 0 ? std::vector{s.first, s.second} : std::vector{s.first};
    default: return {};
  }
}

absl::Status NetworkBuilder::CheckLeftRecursion() const {
  std::vector<RuleId> rule_at(network_.size(), -1);
  for (size_t rule = 0; rule < rule_start_.size(); ++rule) {
    if (rule_start_[rule] >= 0) rule_at[static_cast<size_t>(rule_start_[rule])] = static_cast<RuleId>(rule);
  }
  // From every rule's start along what reads nothing: does one come back to where it was, by a call? Without one, as in
  // (x?)*, that is harmless.
  enum : char { kNew, kOpen, kDone };
  std::vector<char> seen(network_.size(), kNew);
  struct Visit {
    StateId state;
    std::vector<StateId> to;
    size_t calls;  // on the path to here
    size_t next = 0;
  };
  std::vector<size_t> place(network_.size());  // on the path, of those that are open
  for (const StateId start : rule_start_) {
    if (start < 0 || seen[static_cast<size_t>(start)] != kNew) continue;
    std::vector<Visit> path;
    const auto is_call = [this](StateId from, StateId to) {
      const State& state = network_[from];
      return state.kind == State::Kind::kCall && state.first == to;
    };
    const auto enter = [&](StateId state) {
      seen[static_cast<size_t>(state)] = kOpen;
      place[static_cast<size_t>(state)] = path.size();
      const size_t calls = path.empty() ? 0 : path.back().calls + (is_call(path.back().state, state) ? 1 : 0);
      path.push_back({.state = state, .to = WithoutReading(state, rule_at), .calls = calls});
    };
    for (enter(start); !path.empty();) {
      Visit& top = path.back();
      if (top.next == top.to.size()) {
        seen[static_cast<size_t>(top.state)] = kDone;
        path.pop_back();
        continue;
      }
      const StateId to = top.to[top.next++];
      if (seen[static_cast<size_t>(to)] == kNew) {
        enter(to);
      } else if (seen[static_cast<size_t>(to)] == kOpen) {
        const size_t begin = place[static_cast<size_t>(to)];
        if (top.calls == path[begin].calls && !is_call(top.state, to)) continue;
        RuleId rule = -1;  // the first on the way round
        for (size_t i = begin; i < path.size() && rule < 0; ++i) rule = rule_at[static_cast<size_t>(path[i].state)];
        return absl::InvalidArgumentError(absl::StrCat("is left-recursive: ", NameOf(rule),
                                                       " begins with itself, before it reads anything: write it as a "
                                                       "repeat"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace batucada::grammar
