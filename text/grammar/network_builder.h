// Makes a Network of expressions: see network.h. Every expression is lowered towards the state that follows it.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "text/grammar/network.h"

namespace batucada::grammar {

// Used once.
class NetworkBuilder {
 public:
  NetworkBuilder(const Expressions& expressions, const std::vector<std::string>& names, WorkBudget& budget)
      : expressions_(expressions), names_(names), budget_(budget) {}

  absl::StatusOr<Network> Build(ExprId root);

 private:
  static constexpr size_t kMaxStates = 400'000;
  static constexpr int kMaxDepth = 2000;  // of expressions inside each other

  // The bytes of one alternative and where it goes on behind them.
  using Spelling = std::pair<std::string_view, StateId>;

  void FindProductive();  // which rules have a text, and which may be empty
  void FindNullable();
  bool Productive(ExprId id, int depth = 0);
  bool Nullable(ExprId id, int depth = 0);
  StateId StartOf(RuleId rule);  // lowered later
  StateId Lower(ExprId id, StateId next, int depth);
  StateId LowerChoice(const Expression& choice, StateId next, int depth);
  StateId LowerSpellings(std::vector<Spelling>& spellings, size_t at, std::vector<StateId> others);
  StateId LowerChars(const CharSet& chars, StateId next);
  StateId LowerRepeat(const Expression& repeat, StateId next, int depth);
  StateId LowerCount(ExprId body, int32_t min, int32_t max, StateId next, int depth);
  StateId AddBytes(std::vector<ByteEdge> edges);
  StateId AddSplit(std::vector<StateId> targets);
  StateId AddState(State state);
  // Where one may be after `id` without having read a byte.
  std::vector<StateId> WithoutReading(StateId id, const std::vector<RuleId>& rule_at) const;
  absl::Status CheckLeftRecursion() const;
  std::string NameOf(RuleId rule) const;

  const Expressions& expressions_;
  const std::vector<std::string>& names_;
  WorkBudget& budget_;
  Network network_;
  std::vector<char> productive_, nullable_;  // by rule
  std::vector<StateId> rule_start_;          // -1: not asked for yet
  std::vector<RuleId> to_lower_;
  absl::flat_hash_map<std::tuple<uint8_t, uint8_t, StateId>, StateId> one_edge_;  // states of one edge, shared
  bool too_deep_ = false;
  bool empty_body_ = false;  // a counted repeat of what may be empty
};

}  // namespace batucada::grammar
