// What a schema's minLength and maxLength leave of a pattern or a format.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "text/grammar/expression.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {

// Narrows repetitions until every text that is left has a length within the bounds. Where one repetition alone makes
// the length vary, as in ^[a-z]+$, these are all such texts; where several share it, as in a URI, some of them: each
// gets a part of the length. Used by one thread.
class LengthBound {
 public:
  // `units` write one character each, and nothing else in the expressions writes any. All outlive this.
  LengthBound(const absl::flat_hash_set<ExprId>& units, Expressions& expressions, WorkBudget& budget)
      : units_(units), e_(expressions), budget_(budget) {}

  // At least `least` characters, at most `most`, or any number if that is below 0. kNoText if no such text was found.
  ExprId Within(ExprId expression, int64_t least, int64_t most);

 private:
  struct Lengths {
    int64_t least = 0, most = 0;
  };

  Lengths LengthsOf(ExprId id);
  // The same with every text at least, or at most, so long.
  ExprId Lengthen(ExprId id, int64_t least);
  ExprId LengthenRepeat(ExprId id, int64_t least);
  ExprId Shorten(ExprId id, int64_t most);
  ExprId ShortenSequence(ExprId id, int64_t most);
  ExprId ShortenRepeat(ExprId id, int64_t most);

  const absl::flat_hash_set<ExprId>& units_;
  Expressions& e_;
  WorkBudget& budget_;
  absl::flat_hash_map<ExprId, Lengths> lengths_;
  bool failed_ = false;  // something that has no length, or too much work
};

}  // namespace batucada::grammar
