// A grammar as a network of states over bytes: what a Machine runs. Rules are subnetworks that are called and return,
// so a grammar may be recursive; counted repeats are calls too, with a number in their frame, so that x{0,10000} is as
// small as x*.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "text/grammar/expression.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {

using StateId = int32_t;

struct ByteEdge {
  uint8_t first = 0, last = 0;
  StateId to = 0;
};

struct State {
  enum class Kind : uint8_t {
    kBytes,  // edges
    kSplit,  // targets, without a byte
    kCall,   // first: a rule's start, second: where to go on; a call that ends its rule leaves no frame
    kCount,  // first: the body's start, second: where to go on; min, max
    kFinal,  // the end of a rule or of a body
  };
  Kind kind = Kind::kFinal;
  uint16_t width = 0;           // kBytes: how many of ASCII's bytes are read
  uint32_t begin = 0, end = 0;  // kBytes: into edges(); kSplit: into targets()
  StateId first = 0, second = 0;
  bool leaves_no_frame = false;
  int32_t min = 0, max = 0;
};

// Immutable once made; thread-safe.
class Network {
 public:
  // INVALID_ARGUMENT, with a sentence: no text is allowed at all, a rule calls itself before it reads anything, or the
  // grammar is too large. `names` are of rules, for errors; may be shorter than there are rules.
  static absl::StatusOr<Network> Make(const Expressions& expressions, ExprId root,
                                      const std::vector<std::string>& names, WorkBudget& budget);

  StateId start() const { return start_; }
  const State& operator[](StateId id) const { return states_[static_cast<size_t>(id)]; }
  const ByteEdge* edges() const { return edges_.data(); }
  const StateId* targets() const { return targets_.data(); }
  size_t size() const { return states_.size(); }
  size_t bytes() const {
    return states_.size() * sizeof(State) + edges_.size() * sizeof(ByteEdge) + targets_.size() * sizeof(StateId);
  }
  // Bytes that no edge tells apart have the same class, below classes().
  const std::array<uint8_t, 256>& byte_class() const { return byte_class_; }
  int32_t classes() const { return classes_; }

 private:
  friend class NetworkBuilder;
  Network() = default;
  void ClassifyBytes();

  StateId start_ = 0;
  std::vector<State> states_;
  std::vector<ByteEdge> edges_;
  std::vector<StateId> targets_;
  std::array<uint8_t, 256> byte_class_{};
  int32_t classes_ = 0;
};

}  // namespace batucada::grammar
