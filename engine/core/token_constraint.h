// What a sequence may draw next, where that depends on what it has drawn: a grammar's hold on it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"

namespace batucada {

// Of one sequence. Used by one thread at a time.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  // Says of every token whether it may be drawn now: bit id % 32 of word id / 32, [ceil(vocab / 32)]. The work is taken
  // from `steps`, of some 60 ns each, which may end below zero: with few left less is done. An error, which failure()
  // tells from then on: none can be told, and the sequence must end.
  [[nodiscard]] virtual absl::Status Mask(std::span<uint32_t> words, int64_t* steps) = 0;
  virtual const absl::Status& failure() const = 0;
  // Takes note of the token that was drawn, likewise. REQUIRES: the mask allowed it, unless its error was seen.
  virtual void Accept(int32_t token, int64_t* steps) = 0;
  // What the newest mask and the newest note took together: so much the next may take again.
  virtual int64_t cost() const = 0;
  // Nothing may be drawn any more: the text is whole.
  virtual bool finished() const = 0;
};

// Of a request: every sequence of it begins one of its own. Immutable; thread-safe.
class Constraint {
 public:
  virtual ~Constraint() = default;
  virtual std::unique_ptr<TokenConstraint> Begin() const = 0;
  virtual int64_t bytes() const = 0;  // that it holds now
};

}  // namespace batucada
