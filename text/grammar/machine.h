// Runs a Network: where a text can be in it, which bytes and tokens may follow, and what each leads to.
//
// A place is all (state, stack) pairs that a text may be at: an automaton without choices, made while it is used and
// kept, so that what one sequence found serves every other of the same grammar. Stacks are shared lists of frames.
// Masks are kept by place, too. Places that differ only in counts that no single token can bring to a bound share one
// mask. Where a character repeats, the tokens that are made of such characters alone are not walked to: they are a mask
// of the vocabulary (token_set.h), and only where others leave them does a walk begin.
//
// A text that has begun can go on. A place follows kMaxThreads ways through the grammar, and a stack has kMostDepth
// frames: ways beyond are left out, so that the text is held to less than the grammar allows, and never to more. Where
// a mask would take more than kMaskSteps, the machine follows ever fewer ways from then on, down to one; and where even
// that is too much, a mask is what was found of it. So it is, for the moment and for one text, where whoever asks has
// not as many steps left.
//
// A mask and what is accepted may leave out different ways. A token that a mask has allowed leads on in one way at
// least, which is then sought for by itself.
//
// What is kept is bounded: beyond max_bytes everything but the places that matchers stand at is forgotten, and where
// these alone hold more than three times that, the text cannot go on.
//
// Thread-safe: one mutex, held while a mask is made: microseconds if it is known, some milliseconds at most otherwise.
// Making and ending a cursor takes none.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/grammar/network.h"
#include "text/grammar/stamped_set.h"
#include "text/grammar/vocabulary.h"

namespace batucada::grammar {

// What all machines of a server hold together, in bytes. Thread-safe.
struct MachineMemory {
  static constexpr int64_t kMost = int64_t{128} << 20;  // past it each keeps little
  std::atomic<int64_t> held{0};
  bool scarce() const { return held.load(std::memory_order_relaxed) > kMost; }
};

class Machine {
 public:
  static constexpr size_t kDefaultBytes = size_t{24} << 20;

  static constexpr int64_t kMaskSteps = 300'000;  // threads followed over bytes: some 20 ms
  static constexpr size_t kMaxThreads = 2048;     // of a place: ways that are followed
  static constexpr size_t kNarrowing = 8;         // so many times fewer, where a mask takes too long
  // What a mask takes and how many ways are followed where there are no steps left: a millisecond at most.
  static constexpr int64_t kFewSteps = 10'000;
  static constexpr size_t kFewThreads = 32;
  static constexpr int32_t kMostDepth = 4096;  // frames on a stack

  // `vocabulary` outlives this.
  Machine(Network network, const Vocabulary& vocabulary,
          std::shared_ptr<MachineMemory> memory = std::make_shared<MachineMemory>(), size_t max_bytes = kDefaultBytes);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // A text on its way; moves and copies stand for themselves. Used by one thread at a time.
  class Cursor {
   public:
    explicit Cursor(Machine& machine) : machine_(machine), place_(std::make_shared<int32_t>(kAtStart)) {}
    Cursor(const Cursor& other);
    Cursor& operator=(const Cursor&) = delete;

    // RESOURCE_EXHAUSTED: a first mask of all ways takes more than kMaskSteps.
    [[nodiscard]] absl::Status Begin();
    // Sets the bits of the tokens that may come next, [Vocabulary::words()], those that end the text included.
    // RESOURCE_EXHAUSTED: not even one way could be followed. What it took is taken from `steps`, which may end below
    // zero.
    [[nodiscard]] absl::Status Mask(std::span<uint32_t> words, int64_t* steps);
    // Goes on with these bytes; false, and it has not moved, if they cannot come. What it took is taken from `steps`.
    bool Accept(std::string_view bytes, int64_t* steps);
    bool accepting() const;  // the text may end here
    bool dead_end() const;   // nothing but the end can follow

   private:
    friend class Machine;
    Machine& machine_;
    std::shared_ptr<int32_t> place_;  // guarded by the machine's mutex
  };

  // What it holds, in bytes.
  size_t bytes() const { return network_.bytes() + noted_.load(std::memory_order_relaxed); }
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  static constexpr int32_t kNowhere = -1, kUnknown = -2, kAtStart = -3;
  static constexpr int32_t kBottom = 0;    // the frame below all
  static constexpr int32_t kTooDeep = -1;  // no frame

  struct Frame {
    StateId next = 0;    // where to go on
    StateId count = -1;  // of a kCount state: `done` bodies are read
    int32_t done = 0;
    int32_t below = 0;
    int32_t depth = 0;  // frames below it; those above kBottom have one more than theirs
    friend bool operator==(const Frame&, const Frame&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Frame& f) {
      return H::combine(std::move(h), f.next, f.count, f.done, f.below);
    }
  };
  struct Thread {
    StateId state = 0;  // kBytes
    int32_t frame = 0;
    friend bool operator==(const Thread&, const Thread&) = default;
    friend auto operator<=>(const Thread&, const Thread&) = default;  // NOLINT(modernize-use-nullptr): there is none
  };
  struct Place {
    uint32_t begin = 0, end = 0;  // into threads_
    bool accepting = false;
    int32_t mask = -1;        // into masks_
    int32_t like = -1;        // the place whose mask is this one's
    int32_t loop = kUnknown;  // into loops_; kNowhere: it is none
    int32_t same_hash = -1;   // another place
  };
  // A place at which each of `chars` leads to `next`, that to the next of it and so on, `room` times; after that none
  // of them can come.
  struct Loop {
    CharClass chars;
    int32_t room = 0;  // kForever: `next` is like the place itself, or leads to one that is
    int32_t next = 0;
  };
  static constexpr int32_t kForever = std::numeric_limits<int32_t>::max();
  static constexpr int32_t kMostRoom = 200;
  static constexpr int kLeastWidth = 24;       // characters of a loop
  static constexpr uint32_t kLeastNodes = 32;  // to look for a loop instead of walking through them
  static constexpr size_t kMostSearched = 16;  // places, see StaysInStrings
  static constexpr size_t kBytesAStep = 100;   // of what is gone through by Trim

  int32_t FrameId(const Frame& of);
  // REQUIRES: sorted, and not a part of threads_.
  int32_t PlaceId(std::span<const Thread> threads, bool accepting);
  std::span<const Thread> ThreadsOf(int32_t place) const {
    const Place& p = places_[static_cast<size_t>(place)];
    return std::span(threads_).subspan(p.begin, p.end - p.begin);
  }
  // All that can be reached from open_ without a byte.
  int32_t Close();
  // Tells `go` of what can be reached from there by one edge without a byte; true: the text may end there.
  template <typename Go>
  bool Expand(const Thread& at, Go go);
  int32_t Step(int32_t place, uint8_t byte);
  int32_t Compute(int32_t place, uint8_t byte);
  int32_t Like(int32_t place);
  int32_t NormalFrame(int32_t id);
  absl::Status MakeMask(int32_t place);
  // The mask of a place, made with `given` steps at most, which are taken from `steps`. On an error mask_ has a part.
  absl::StatusOr<std::span<const uint32_t>> MaskOf(int32_t place, int64_t given, int64_t* steps);
  // Where these bytes lead to.
  int32_t Follow(int32_t place, std::string_view bytes);
  // The same in one way, whichever is found first; none is left out.
  int32_t FollowOneWay(int32_t place, std::string_view bytes);
  // At most so many of its ways.
  int32_t Part(int32_t place, size_t most);
  // Into loops_, or kNowhere.
  int32_t LoopOf(int32_t place, int depth = 0);
  bool IsWide(int32_t place) const;  // may be a loop
  // Where most of ASCII's characters lead to, and from them on the others; how many they are.
  int32_t MostGoTo(int32_t place, CharClass* chars);
  // Whether every character that is not ASCII leads to a place of which `to` is true.
  bool OthersLead(int32_t place, absl::FunctionRef<bool(int32_t)> to);
  // Whether every character that stands in a string of JSON as it is leads from `place` to one of a few places of which
  // this is true as well: a text that is searched for something. Then all tokens of such characters may come.
  bool StaysInStrings(int32_t place);
  // Marks in mask_ what may come of a trie's nodes [begin, end), whole subtrees below a node at which `place` is. Loops
  // are looked for in the vocabulary's own trie.
  void Walk(const TokenTrie& trie, uint32_t begin, uint32_t end, int32_t place);
  // The same of `children` and all that is below them.
  void WalkChildren(const TokenTrie& trie, const TokenTrie::Children& children, int32_t place);
  // What comes of a node that a byte has led to.
  void Visit(const TokenTrie& trie, uint32_t node, int32_t place, bool loops);
  void WalkFromRoot(int32_t place);
  // The same of what is below `node`, at which `place` is, if it is a loop.
  bool WalkLoop(uint32_t node, int32_t place);
  // What goes on behind characters of a loop at `place`, and what begins with none of them.
  void WalkRests(const TokenSet& set, const Loop& loop, int32_t place);
  void WalkStarts(const TokenSet& set, int32_t place);
  std::shared_ptr<const TokenSet> SetOf(const CharClass& chars, uint32_t node);
  void MarkRanks(const TokenTrie& trie, uint32_t begin, uint32_t end);
  void MarkSet(const TokenSet& set, int32_t room);
  // Where a cursor stands, which is counted from then on. REQUIRES: mutex_ held.
  int32_t PlaceOf(const Cursor& cursor);
  // Forgets what no cursor needs, if there is too much; the steps that it took.
  int64_t Trim();
  void Forget();
  size_t Held() const;
  // Tells the others what this one holds.
  void Note();
  size_t most() const { return memory_->scarce() ? max_bytes_ / 16 : max_bytes_; }

  const Network network_;
  const Vocabulary& vocabulary_;
  const std::shared_ptr<MachineMemory> memory_;
  const size_t max_bytes_;
  std::atomic<size_t> noted_{0};

  mutable std::mutex mutex_;  // guards what follows
  std::vector<Frame> frames_;
  absl::flat_hash_map<Frame, int32_t> frame_ids_;
  std::vector<int32_t> normal_frames_;  // by frame: see Like; -1: not known yet
  std::vector<Place> places_;
  std::vector<Thread> threads_;                       // of all places
  absl::flat_hash_map<uint64_t, int32_t> place_ids_;  // by hash
  std::vector<int32_t> steps_;                        // [places, classes]
  std::vector<Loop> loops_;
  std::vector<std::vector<uint32_t>> masks_;
  std::vector<std::weak_ptr<int32_t>> cursors_;  // that have begun
  size_t trim_at_;                               // bytes
  WorkBudget budget_{kMaskSteps};
  size_t most_threads_ = kMaxThreads;
  size_t width_ = kMaxThreads;  // most_threads_, or fewer for the moment
  int32_t start_ = 0;

  // For work, so that nothing is allocated: what is in them holds for a moment.
  std::vector<Thread> open_, closed_;
  StampedSet seen_, reached_;
  std::vector<int32_t> path_;
  struct Level {
    TokenTrie::Children children;
    uint32_t at = 0;
    int32_t place = 0;
  };
  std::vector<Level> levels_;
  std::vector<uint32_t> mask_;
};

}  // namespace batucada::grammar
