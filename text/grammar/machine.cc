#include "text/grammar/machine.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"

namespace batucada::grammar {

Machine::Machine(Network network, const Vocabulary& vocabulary, std::shared_ptr<MachineMemory> memory, size_t max_bytes)
    : network_(std::move(network)), vocabulary_(vocabulary), memory_(std::move(memory)), max_bytes_(max_bytes),
      trim_at_(max_bytes) {
  memory_->held.fetch_add(static_cast<int64_t>(network_.bytes()), std::memory_order_relaxed);
  Forget();
  Note();
}

Machine::~Machine() { memory_->held.fetch_sub(static_cast<int64_t>(bytes()), std::memory_order_relaxed); }

void Machine::Note() {
  const size_t held = Held(), before = noted_.exchange(held, std::memory_order_relaxed);
  memory_->held.fetch_add(static_cast<int64_t>(held) - static_cast<int64_t>(before), std::memory_order_relaxed);
}

size_t Machine::Held() const {
  return frames_.size() * (2 * sizeof(Frame) + 16) + places_.size() * (sizeof(Place) + 48) +
         threads_.size() * sizeof(Thread) + steps_.size() * sizeof(int32_t) + loops_.size() * sizeof(Loop) +
         masks_.size() * vocabulary_.words() * sizeof(uint32_t);
}

int32_t Machine::FrameId(const Frame& of) {
  Frame frame = of;
  frame.depth = frames_[static_cast<size_t>(of.below)].depth + 1;
  if (frame.depth > kMostDepth) return kTooDeep;
  const auto [found, fresh] = frame_ids_.try_emplace(frame, static_cast<int32_t>(frames_.size()));
  if (fresh) {
    frames_.push_back(frame);
    normal_frames_.push_back(-1);
  }
  return found->second;
}

int32_t Machine::PlaceId(std::span<const Thread> threads, bool accepting) {
  if (threads.empty() && !accepting) return kNowhere;
  uint64_t hash = accepting ? 1 : 0;
  for (const Thread& thread : threads) {
    hash = absl::HashOf(hash, thread.state, thread.frame);
  }
  const auto id = static_cast<int32_t>(places_.size());
  const auto [found, fresh] = place_ids_.try_emplace(hash, id);
  for (int32_t at = fresh ? -1 : found->second; at >= 0; at = places_[static_cast<size_t>(at)].same_hash) {
    const std::span<const Thread> theirs = ThreadsOf(at);
    if (places_[static_cast<size_t>(at)].accepting == accepting &&
        std::equal(theirs.begin(), theirs.end(), threads.begin(), threads.end())) {
      return at;
    }
  }
  // What texts stand at may not grow for ever either.
  if (Held() > 3 * most()) budget_.Spend(budget_.left() + 1);
  budget_.Spend(static_cast<int64_t>(threads.size()) / 8 + network_.classes() / 32);
  const auto begin = static_cast<uint32_t>(threads_.size());
  threads_.insert(threads_.end(), threads.begin(), threads.end());
  places_.push_back({.begin = begin,
                     .end = static_cast<uint32_t>(threads_.size()),
                     .accepting = accepting,
                     .same_hash = fresh ? -1 : found->second});
  found->second = id;
  // Bytes that none of its states reads lead nowhere; a class of bytes is those beside each other.
  const size_t row = steps_.size();
  steps_.resize(row + static_cast<size_t>(network_.classes()), kNowhere);
  for (const Thread& thread : threads) {
    const State& state = network_[thread.state];
    for (uint32_t e = state.begin; e < state.end; ++e) {
      const ByteEdge& edge = network_.edges()[e];
      std::fill(steps_.begin() + static_cast<std::ptrdiff_t>(row + network_.byte_class()[edge.first]),
                steps_.begin() + static_cast<std::ptrdiff_t>(row + network_.byte_class()[edge.last] + 1), kUnknown);
    }
  }
  return id;
}

template <typename Go>
bool Machine::Expand(const Thread& at, Go go) {
  const State& state = network_[at.state];
  switch (state.kind) {
    case State::Kind::kBytes: break;
    case State::Kind::kSplit:
      for (uint32_t t = state.begin; t < state.end; ++t) go(network_.targets()[t], at.frame);
      break;
    case State::Kind::kCall:
      go(state.first, state.leaves_no_frame ? at.frame : FrameId({.next = state.second, .below = at.frame}));
      break;
    case State::Kind::kCount:
      if (state.min == 0) go(state.second, at.frame);
      go(state.first, FrameId({.next = state.second, .count = at.state, .done = 0, .below = at.frame}));
      break;
    case State::Kind::kFinal: {
      if (at.frame == kBottom) return true;
      Frame f = frames_[static_cast<size_t>(at.frame)];
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
  return false;
}

int32_t Machine::Close() {
  closed_.clear();
  seen_.Clear();
  bool accepting = false;
  const auto go = [&](StateId state, int32_t frame) {
    if (frame == kTooDeep) return;
    const uint64_t key = static_cast<uint64_t>(state) << 32 | static_cast<uint32_t>(frame);
    if (seen_.Insert(key)) open_.push_back({state, frame});
  };
  // What is open is seen, and there once.
  const size_t given = open_.size();
  for (size_t i = 0; i < given; ++i) go(open_[i].state, open_[i].frame);
  open_.erase(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(given));
  while (!open_.empty() && closed_.size() < width_) {  // of more, some ways are left out
    const Thread at = open_.back();
    open_.pop_back();
    if (!budget_.Spend()) return kNowhere;
    if (network_[at.state].kind == State::Kind::kBytes) {
      closed_.push_back(at);
    } else {
      accepting |= Expand(at, go);
    }
  }
  std::sort(closed_.begin(), closed_.end());
  return PlaceId(closed_, accepting);
}

int32_t Machine::Compute(int32_t place, uint8_t byte) {
  open_.clear();
  for (const Thread& thread : ThreadsOf(place)) {
    const State& state = network_[thread.state];
    for (uint32_t e = state.begin; e < state.end; ++e) {
      const ByteEdge& edge = network_.edges()[e];
      if (edge.first <= byte && byte <= edge.last) open_.push_back({edge.to, thread.frame});
    }
    budget_.Spend(1 + (state.end - state.begin) / 8);
  }
  if (open_.empty()) return kNowhere;
  return Close();
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
  std::vector<int32_t>& path = path_;
  path.clear();
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
  const std::span<const Thread> threads = ThreadsOf(place);
  budget_.Spend(static_cast<int64_t>(threads.size()));
  closed_.assign(threads.begin(), threads.end());
  for (Thread& thread : closed_) thread.frame = NormalFrame(thread.frame);
  std::sort(closed_.begin(), closed_.end());
  closed_.erase(std::unique(closed_.begin(), closed_.end()), closed_.end());
  const int32_t like = PlaceId(closed_, places_[static_cast<size_t>(place)].accepting);
  places_[static_cast<size_t>(place)].like = like;
  return like;
}

int32_t Machine::Follow(int32_t place, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size() && place >= 0; ++i) place = Step(place, static_cast<uint8_t>(bytes[i]));
  return place;
}

int32_t Machine::FollowOneWay(int32_t place, std::string_view bytes) {
  struct Reached {
    Thread at;
    size_t bytes = 0;
  };
  std::vector<Reached> reached;
  for (const Thread& thread : ThreadsOf(place)) reached.push_back({.at = thread});
  reached_.Clear();
  while (!reached.empty() && budget_.Spend()) {
    const Reached from = reached.back();
    reached.pop_back();
    if (from.bytes == bytes.size()) {
      open_ = {from.at};
      if (const int32_t found = Close(); found >= 0 && !budget_.spent()) return found;
      continue;
    }
    size_t taken = from.bytes;
    const auto go = [&](StateId state, int32_t frame) {
      if (frame != kTooDeep && reached_.Insert(absl::HashOf(state, frame, taken)))
        reached.push_back({{state, frame}, taken});
    };
    const State& state = network_[from.at.state];
    if (state.kind != State::Kind::kBytes) {
      Expand(from.at, go);
      continue;
    }
    const auto byte = static_cast<uint8_t>(bytes[taken++]);
    for (uint32_t e = state.begin; e < state.end; ++e) {
      const ByteEdge& edge = network_.edges()[e];
      if (edge.first <= byte && byte <= edge.last) go(edge.to, from.at.frame);
    }
    budget_.Spend((state.end - state.begin) / 8);
  }
  return kNowhere;
}

int32_t Machine::Part(int32_t place, size_t most) {
  const std::span<const Thread> threads = ThreadsOf(place);
  if (threads.size() <= most) return place;
  closed_.assign(threads.begin(), threads.begin() + static_cast<std::ptrdiff_t>(most));
  return PlaceId(closed_, places_[static_cast<size_t>(place)].accepting);
}

void Machine::Forget() {
  // With the memory, which clear() would keep.
  frames_ = {Frame{}};
  normal_frames_ = {kBottom};
  frame_ids_ = {};
  places_ = {};
  place_ids_ = {};
  threads_ = {};
  steps_ = {};
  loops_ = {};
  masks_ = {};
  budget_ = WorkBudget(kMaskSteps);
  width_ = most_threads_;
  open_ = {{network_.start(), kBottom}};
  start_ = Close();
}

int64_t Machine::Trim() {
  const size_t before = Held();
  if (before <= std::min(trim_at_, 2 * most())) {
    Note();
    return 0;
  }
  const std::vector<Frame> frames = std::move(frames_);
  struct Kept {
    std::shared_ptr<int32_t> cursor;
    std::vector<Thread> threads;
    bool accepting = false;
  };
  std::vector<Kept> kept;
  for (const std::weak_ptr<int32_t>& cursor : cursors_) {
    std::shared_ptr<int32_t> place = cursor.lock();
    if (place == nullptr) continue;
    Kept& one = kept.emplace_back(Kept{.cursor = std::move(place)});
    if (*one.cursor < 0) continue;
    const std::span<const Thread> threads = ThreadsOf(*one.cursor);
    one.threads.assign(threads.begin(), threads.end());
    one.accepting = places_[static_cast<size_t>(*one.cursor)].accepting;
  }
  Forget();
  cursors_.clear();
  std::vector<int32_t> new_ids(frames.size(), -1);
  new_ids[kBottom] = kBottom;
  for (auto& [cursor, threads, accepting] : kept) {
    cursors_.push_back(cursor);
    if (*cursor < 0) continue;
    for (Thread& thread : threads) {
      std::vector<int32_t> path;
      for (int32_t at = thread.frame; new_ids[static_cast<size_t>(at)] < 0;
           at = frames[static_cast<size_t>(at)].below) {
        path.push_back(at);
      }
      for (; !path.empty(); path.pop_back()) {
        Frame frame = frames[static_cast<size_t>(path.back())];
        frame.below = new_ids[static_cast<size_t>(frame.below)];
        new_ids[static_cast<size_t>(path.back())] = FrameId(frame);
      }
      thread.frame = new_ids[static_cast<size_t>(thread.frame)];
    }
    std::sort(threads.begin(), threads.end());
    *cursor = PlaceId(threads, accepting);
  }
  // Where little was to be forgotten, much must come before it is tried again.
  trim_at_ = std::max(max_bytes_, 2 * Held());
  Note();
  return static_cast<int64_t>(before / kBytesAStep);
}

}  // namespace batucada::grammar
