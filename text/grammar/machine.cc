#include "text/grammar/machine.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/hash/hash.h"

namespace batucada::grammar {

Machine::Machine(Network network, const Vocabulary& vocabulary, size_t max_bytes)
    : network_(std::move(network)), vocabulary_(vocabulary), max_bytes_(max_bytes) {
  Forget();
}

size_t Machine::bytes() const {
  const std::lock_guard lock(mutex_);
  return network_.bytes() + Held();
}

size_t Machine::Held() const {
  return frames_.size() * (2 * sizeof(Frame) + 16) + places_.size() * (sizeof(Place) + 48) +
         thread_count_ * sizeof(Thread) + steps_.size() * sizeof(int32_t) +
         masks_.size() * vocabulary_.words() * sizeof(uint32_t);
}

int32_t Machine::FrameId(const Frame& frame) {
  const auto [found, fresh] = frame_ids_.try_emplace(frame, static_cast<int32_t>(frames_.size()));
  if (fresh) {
    frames_.push_back(frame);
    normal_frames_.push_back(-1);
  }
  return found->second;
}

int32_t Machine::PlaceId(std::vector<Thread> threads, bool accepting) {
  if (threads.empty() && !accepting) return kNowhere;
  uint64_t hash = accepting ? 1 : 0;
  for (const Thread& thread : threads) {
    hash = absl::HashOf(hash, thread.state, thread.frame);
  }
  std::vector<int32_t>& same = place_ids_[hash];
  for (const int32_t id : same) {
    const Place& place = places_[static_cast<size_t>(id)];
    if (place.accepting == accepting && place.threads == threads) return id;
  }
  const auto id = static_cast<int32_t>(places_.size());
  same.push_back(id);
  thread_count_ += threads.size();
  places_.push_back({.threads = std::move(threads), .accepting = accepting});
  steps_.resize(steps_.size() + static_cast<size_t>(network_.classes()), kUnknown);
  return id;
}

int32_t Machine::Close(std::vector<Thread> open) {
  std::vector<Thread> threads;
  bool accepting = false;
  absl::flat_hash_set<uint64_t> seen;
  const auto go = [&](StateId state, int32_t frame) {
    const uint64_t key = static_cast<uint64_t>(state) << 32 | static_cast<uint32_t>(frame);
    if (seen.insert(key).second) open.push_back({state, frame});
  };
  std::vector<Thread> first;
  std::swap(first, open);
  for (const Thread& thread : first) go(thread.state, thread.frame);
  while (!open.empty()) {
    const auto [id, frame] = open.back();
    open.pop_back();
    if (threads.size() > kMaxThreads) budget_.Spend(kMaskSteps);  // more than it has
    if (!budget_.Spend()) return kNowhere;
    const State& state = network_[id];
    switch (state.kind) {
      case State::Kind::kBytes: threads.push_back({id, frame}); break;
      case State::Kind::kSplit:
        for (uint32_t t = state.begin; t < state.end; ++t) go(network_.targets()[t], frame);
        break;
      case State::Kind::kCall:
        go(state.first, state.leaves_no_frame ? frame : FrameId({.next = state.second, .below = frame}));
        break;
      case State::Kind::kCount:
        if (state.min == 0) go(state.second, frame);
        go(state.first, FrameId({.next = state.second, .count = id, .done = 0, .below = frame}));
        break;
      case State::Kind::kFinal: {
        if (frame == kBottom) {
          accepting = true;
          break;
        }
        Frame f = frames_[static_cast<size_t>(frame)];
        if (f.count < 0) {
          go(f.next, f.below);
          break;
        }
        const State& count = network_[f.count];
        ++f.done;
        if (count.max == kUnbounded) f.done = std::min(f.done, count.min);  // more makes no difference
        if (f.done >= count.min) go(f.next, f.below);
        if (count.max == kUnbounded || f.done < count.max) go(count.first, FrameId(f));
        break;
      }
    }
  }
  std::sort(threads.begin(), threads.end());
  return PlaceId(std::move(threads), accepting);
}

int32_t Machine::Compute(int32_t place, uint8_t byte) {
  std::vector<Thread> open;
  for (const Thread& thread : places_[static_cast<size_t>(place)].threads) {
    const State& state = network_[thread.state];
    for (uint32_t e = state.begin; e < state.end; ++e) {
      const ByteEdge& edge = network_.edges()[e];
      if (edge.first <= byte && byte <= edge.last) open.push_back({edge.to, thread.frame});
    }
    budget_.Spend(1 + (state.end - state.begin) / 8);
  }
  if (open.empty()) return kNowhere;
  return Close(std::move(open));
}

int32_t Machine::Step(int32_t place, uint8_t byte) {
  const size_t at = static_cast<size_t>(place) * static_cast<size_t>(network_.classes()) + network_.byte_class()[byte];
  if (steps_[at] == kUnknown) {
    const int32_t next = Compute(place, byte);
    if (budget_.spent()) return kNowhere;  // nothing is known
    steps_[at] = next;
  }
  return steps_[at];
}

// The frame with counts, its own and those below, that no token tells from these: see Like.
int32_t Machine::NormalFrame(int32_t id) {
  // Down to what is known, and up again.
  std::vector<int32_t> path;
  int32_t normal = kBottom;
  for (int32_t at = id; at != kBottom; at = frames_[static_cast<size_t>(at)].below) {
    if (normal_frames_[static_cast<size_t>(at)] >= 0) {
      normal = normal_frames_[static_cast<size_t>(at)];
      break;
    }
    path.push_back(at);
  }
  const int32_t most = vocabulary_.longest();  // bodies that one token can read: each has a byte
  for (; !path.empty(); path.pop_back()) {
    Frame frame = frames_[static_cast<size_t>(path.back())];
    frame.below = normal;
    if (frame.count >= 0) {
      const State& count = network_[frame.count];
      if (frame.done + most < count.min) {
        frame.done = 0;
      } else if (frame.done >= count.min && count.max != kUnbounded && frame.done + most < count.max) {
        frame.done = count.min;
      }
    }
    normal = FrameId(frame);
    normal_frames_[static_cast<size_t>(path.back())] = normal;
  }
  return normal;
}

// The place that stands for all whose masks are the same because they differ in counts alone that are far from a bound.
int32_t Machine::Like(int32_t place) {
  if (places_[static_cast<size_t>(place)].like >= 0) return places_[static_cast<size_t>(place)].like;
  std::vector<Thread> threads = places_[static_cast<size_t>(place)].threads;
  for (Thread& thread : threads) thread.frame = NormalFrame(thread.frame);
  std::sort(threads.begin(), threads.end());
  threads.erase(std::unique(threads.begin(), threads.end()), threads.end());
  const bool accepting = places_[static_cast<size_t>(place)].accepting;
  const int32_t like = PlaceId(std::move(threads), accepting);
  places_[static_cast<size_t>(place)].like = like;
  return like;
}

bool Machine::AllowsPlain(const Place& place) const {
  return std::any_of(place.threads.begin(), place.threads.end(), [this](const Thread& thread) {
    const PlainLoop loop = network_[thread.state].plain;
    if (loop != PlainLoop::kCounted) return loop == PlainLoop::kForever;
    const Frame& frame = frames_[static_cast<size_t>(thread.frame)];
    const int32_t max = frame.count < 0 ? 0 : network_[frame.count].max;
    return max == kUnbounded || frame.done + vocabulary_.longest_plain() <= max;
  });
}

void Machine::Walk(const TokenTrie& trie, int32_t place, std::vector<uint32_t>& mask) {
  struct Level {
    uint32_t end;
    int32_t place;
  };
  std::vector<Level> levels = {{static_cast<uint32_t>(trie.nodes.size()), place}};
  const auto nodes = static_cast<uint32_t>(trie.nodes.size());
  for (uint32_t i = 0; i < nodes && !budget_.spent();) {
    const TokenTrie::Node& node = trie.nodes[i];
    while (levels.back().end <= i) levels.pop_back();
    const int32_t next = Step(levels.back().place, node.byte);
    if (next == kNowhere) {
      i = node.end;
      continue;
    }
    if (node.token >= 0) {
      mask[static_cast<size_t>(node.token) / 32] |= 1U << (node.token % 32);
      if (node.more) {
        for (auto same = std::lower_bound(trie.same.begin(), trie.same.end(), std::pair(node.token, 0));
             same != trie.same.end() && same->first == node.token; ++same) {
          mask[static_cast<size_t>(same->second) / 32] |= 1U << (same->second % 32);
        }
      }
    }
    if (node.end > i + 1) levels.push_back({node.end, next});
    ++i;
  }
}

absl::Status Machine::MakeMask(int32_t place) {
  budget_ = WorkBudget(kMaskSteps);
  std::vector<uint32_t> mask(vocabulary_.words());
  if (places_[static_cast<size_t>(place)].accepting) {
    for (const int32_t id : vocabulary_.end_tokens()) {
      if (id < vocabulary_.size()) mask[static_cast<size_t>(id) / 32] |= 1U << (id % 32);
    }
  }
  if (AllowsPlain(places_[static_cast<size_t>(place)])) {
    std::transform(mask.begin(), mask.end(), vocabulary_.plain_mask().begin(), mask.begin(), std::bit_or<>());
  } else {
    Walk(vocabulary_.plain(), place, mask);
  }
  Walk(vocabulary_.rest(), place, mask);
  if (budget_.spent()) return absl::ResourceExhaustedError("the grammar is too ambiguous to be followed any further");
  places_[static_cast<size_t>(place)].mask = static_cast<int32_t>(masks_.size());
  masks_.push_back(std::move(mask));
  return absl::OkStatus();
}

void Machine::Forget() {
  frames_.assign(1, Frame{});
  normal_frames_.assign(1, kBottom);
  frame_ids_.clear();
  places_.clear();
  place_ids_.clear();
  steps_.clear();
  masks_.clear();
  thread_count_ = 0;
  budget_ = WorkBudget(kMaskSteps);
  start_ = Close({{network_.start(), kBottom}});
}

void Machine::Trim() {
  if (Held() <= max_bytes_) return;
  const std::vector<Frame> frames = frames_;
  std::vector<std::pair<Cursor*, Place>> kept;
  for (Cursor* cursor : cursors_) {
    if (cursor->place_ >= 0) kept.emplace_back(cursor, places_[static_cast<size_t>(cursor->place_)]);
  }
  Forget();
  for (auto& [cursor, place] : kept) {
    for (Thread& thread : place.threads) {
      std::vector<int32_t> path;
      for (int32_t at = thread.frame; at != kBottom; at = frames[static_cast<size_t>(at)].below) path.push_back(at);
      thread.frame = kBottom;
      for (; !path.empty(); path.pop_back()) {
        Frame frame = frames[static_cast<size_t>(path.back())];
        frame.below = thread.frame;
        thread.frame = FrameId(frame);
      }
    }
    std::sort(place.threads.begin(), place.threads.end());
    cursor->place_ = PlaceId(std::move(place.threads), place.accepting);
  }
}

Machine::Cursor::Cursor(Machine& machine) : machine_(machine) {
  const std::lock_guard lock(machine_.mutex_);
  place_ = machine_.start_;
  machine_.cursors_.insert(this);
}

Machine::Cursor::Cursor(const Cursor& other) : machine_(other.machine_) {
  const std::lock_guard lock(machine_.mutex_);
  place_ = other.place_;
  machine_.cursors_.insert(this);
}

Machine::Cursor::~Cursor() {
  const std::lock_guard lock(machine_.mutex_);
  machine_.cursors_.erase(this);
}

absl::Status Machine::Cursor::Mask(std::span<uint32_t> words) {
  const std::lock_guard lock(machine_.mutex_);
  if (place_ < 0) return absl::ResourceExhaustedError("the grammar cannot be followed any further");
  const int32_t like = machine_.Like(place_);
  if (machine_.places_[static_cast<size_t>(like)].mask < 0) {
    if (const absl::Status status = machine_.MakeMask(like); !status.ok()) return status;
  }
  const auto& mask = machine_.masks_[static_cast<size_t>(machine_.places_[static_cast<size_t>(like)].mask)];
  std::copy(mask.begin(), mask.end(), words.begin());
  machine_.Trim();
  return absl::OkStatus();
}

bool Machine::Cursor::Accept(std::string_view bytes) {
  const std::lock_guard lock(machine_.mutex_);
  machine_.budget_ = WorkBudget(kMaskSteps);
  int32_t place = place_;
  for (size_t i = 0; i < bytes.size() && place >= 0; ++i) {
    place = machine_.Step(place, static_cast<uint8_t>(bytes[i]));
  }
  if (place < 0) return false;
  place_ = place;
  machine_.Trim();
  return true;
}

bool Machine::Cursor::accepting() const {
  const std::lock_guard lock(machine_.mutex_);
  return place_ >= 0 && machine_.places_[static_cast<size_t>(place_)].accepting;
}

bool Machine::Cursor::dead_end() const {
  const std::lock_guard lock(machine_.mutex_);
  return place_ < 0 || machine_.places_[static_cast<size_t>(place_)].threads.empty();
}

}  // namespace batucada::grammar
