// Where the rows of a decode share beyond its first come from: guesses of what a sequence will draw. What is guessed
// decides how fast a text comes and never what it says: see PlannedSequence.
//
// The scheduler tells a drafter what the host knows of every sequence and asks it once for every decode share. With
// steps in flight the newest tokens are not known yet; a guess that builds on a wrong guess is rejected, no more.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/request.h"

namespace batucada {

// Called by the scheduler, on its thread, in its order. Must be quick: a plan waits for it.
class Drafter {
 public:
  virtual ~Drafter() = default;
  // A sequence has a slot; its prompt is the beginning of its text.
  virtual void OnAdmitted(SequenceId id, const Request& request) = 0;
  // Tokens were drawn, in order, by `rows` rows of one share: as many were kept as there are tokens.
  virtual void OnDrawn(SequenceId id, std::span<const TokenResult> tokens, int32_t rows) = 0;
  // The sequence has ended: it is not heard of again.
  virtual void OnEnded(SequenceId id) = 0;

  // Appends at most `most` guesses (>= 1) of what the sequence draws at position, position + 1, …; fewer, or none,
  // where they are not worth their rows. Up to `undecided` rows in flight may be rejected: positions are then as many
  // less.
  virtual void Draft(SequenceId id, int64_t position, int32_t undecided, int32_t most,
                     std::vector<int32_t>* drafts) = 0;
};

}  // namespace batucada
